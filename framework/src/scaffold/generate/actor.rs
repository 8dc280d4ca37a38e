use clap::Args;
use serde_json::json;

use super::module::home;
use super::name::Name;
use super::wire;
use super::work::Work;
use crate::scaffold::ScaffoldError;

#[derive(Args)]
pub(super) struct Actor {
    /// What it is, e.g. Mailer
    name: String,
    /// The module that starts it. Default: one of its own
    #[arg(long)]
    module: Option<String>,
}

impl Actor {
    pub(super) fn plan(&self, work: &mut Work) -> Result<(), ScaffoldError> {
        let name = Name::new(&self.name)?;
        name.check_type()?;
        if ["Actor", "Add", "Addr", "Context", "Handler", "Message"].contains(&name.camel.as_str()) {
            return Err(ScaffoldError::Usage(format!(
                "`{}` is no name here: actors have another",
                name.camel
            )));
        }
        work.depend(&["actix"], &["actix-web"])?;
        let (module, file) = home(work, &name, self.module.as_deref(), "actor")?;
        work.file(format!("src/{module}/{file}.rs"), "actor/actor.rs", json!({ "name": name }))?;
        let path = format!("{file}::{}", name.camel);
        let line = format!(".on_start(…) with `boot.actors().actor(\"{}\", …).start()`", name.kebab);
        work.line(&format!("src/{module}/mod.rs"), &line, |text| wire::add_actor(text, &name.kebab, &path))
    }
}
