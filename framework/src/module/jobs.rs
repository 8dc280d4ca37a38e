//! The jobs and schedules of modules: gathered, checked, and given their state when the service starts.

use std::collections::BTreeMap;

use super::boot::{Boot, BoxError};
use super::{JobEntry, Module};
use crate::jobs::{Job, Kinds, check_names};

pub(super) type Add = Box<dyn FnOnce(&Boot, &mut Kinds) -> Result<(), BoxError> + Send>;

impl JobEntry {
    pub(super) fn new<J, F>(state: F) -> Self
    where
        J: Job,
        F: FnOnce(&Boot) -> Result<J::State, BoxError> + Send + 'static,
    {
        let add: Add = Box::new(move |boot, kinds| Ok(kinds.add::<J>(state(boot)?)?));
        Self { kind: J::NAME, queue: J::QUEUE, add }
    }
}

/// What is wrong with the jobs and schedules of a module and of those inside it, and where each kind is.
pub(crate) fn check_jobs(module: &Module) -> (Vec<String>, BTreeMap<&'static str, &'static str>) {
    let (mut wrong, mut kinds) = (Vec::new(), BTreeMap::new());
    descend(module, &mut wrong, &mut kinds);
    check_schedules(module, &kinds, &mut BTreeMap::new(), &mut wrong);
    (wrong, kinds)
}

fn descend(module: &Module, wrong: &mut Vec<String>, kinds: &mut BTreeMap<&'static str, &'static str>) {
    for job in &module.jobs {
        if let Err(error) = check_names(job.kind, job.queue) {
            wrong.push(format!("module `{}`: the job `{}`: {error}", module.name, job.kind));
        }
        if let Some(other) = kinds.insert(job.kind, module.name) {
            wrong.push(format!(
                "module `{}`: the job `{}` is there twice, the other one in module `{other}`; give one another name",
                module.name, job.kind
            ));
        }
    }
    for inner in &module.modules {
        descend(inner, wrong, kinds);
    }
}

fn check_schedules<'m>(
    module: &'m Module,
    kinds: &BTreeMap<&'static str, &'static str>,
    names: &mut BTreeMap<&'m str, &'static str>,
    wrong: &mut Vec<String>,
) {
    for schedule in &module.schedules {
        let name = &schedule.name;
        wrong.extend(schedule.check().into_iter().map(|error| format!("module `{}`: {error}", module.name)));
        if !kinds.contains_key(schedule.kind) {
            wrong.push(format!(
                "module `{}`: the schedule `{name}`: no module has its job `{}`; add it with Module::job",
                module.name, schedule.kind
            ));
        }
        if let Some(other) = names.insert(name, module.name) {
            wrong.push(format!(
                "module `{}`: the schedule `{name}` is there twice, the other one in module `{other}`; give one another \
                 name with Schedule::name",
                module.name
            ));
        }
    }
    for inner in &module.modules {
        check_schedules(inner, kinds, names, wrong);
    }
}

impl Module {
    /// Takes out the jobs of this module and of those inside it, with their state, and the schedules.
    pub(crate) fn take_jobs(
        &mut self,
        boot: &Boot,
        kinds: &mut Kinds,
    ) -> Result<(), (&'static str, BoxError)> {
        for job in self.jobs.drain(..) {
            (job.add)(boot, kinds).map_err(|error| (self.name, error))?;
        }
        for schedule in self.schedules.drain(..) {
            kinds.schedule(schedule).map_err(|error| (self.name, error.into()))?;
        }
        self.modules.iter_mut().try_for_each(|module| module.take_jobs(boot, kinds))
    }
}
