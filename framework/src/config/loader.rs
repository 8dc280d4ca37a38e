use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use figment::Figment;
use figment::value::Value;
use serde::Serialize;

use super::chain::Chain;
use super::inspect::inspect;
use super::layer::{KeyPath, Layer, dotted};
use super::loaded::Inner;
use super::registry::Registry;
use super::{Config, ConfigErrors, Origin, Problem, Profile, Section, complaint, file, variables};

const DIRECTORY: &str = "config";
const DIRECTORY_VARIABLE: &str = "APP_CONFIG_DIR";
const PROFILE_VARIABLE: &str = "APP_PROFILE";

/// Reads the settings of one service: which sections there are, and from where.
///
/// Nothing is taken from the process unless [`Loader::from_process`] is used, so that many services with different
/// settings fit in one process.
#[derive(Default)]
pub struct Loader {
    profile: Profile,
    profile_origin: Option<Origin>,
    directory: Option<PathBuf>,
    no_files: bool,
    environment: BTreeMap<String, String>,
    defaults: Layer,
    own_in_production: Vec<&'static str>,
    problems: Vec<Problem>,
    registry: Registry,
}

impl Loader {
    /// A loader for a profile, with an empty environment.
    #[must_use]
    pub fn new(profile: impl Into<Profile>) -> Self {
        Self { profile: profile.into(), defaults: Layer::new("defaults in code"), ..Self::default() }
    }

    /// A loader with an environment. The profile is the one given, or else `APP_PROFILE`, or else `development`.
    #[must_use]
    pub fn from_environment<K: Into<String>, V: Into<String>>(
        profile: Option<&str>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut loader = Self::new(Profile::default()).environment(environment);
        let variable = loader.environment.get(PROFILE_VARIABLE).filter(|name| !name.is_empty());
        if let Some(profile) = profile {
            loader.profile = profile.into();
        } else if let Some(profile) = variable {
            loader.profile = profile.as_str().into();
            loader.profile_origin = Some(Origin::Variable(PROFILE_VARIABLE.to_owned()));
        }
        loader
    }

    /// [`Loader::from_environment`] with the environment of this process. A variable that is not Unicode is left
    /// out when its name is not, and else read with replacement characters.
    #[must_use]
    pub fn from_process(profile: Option<&str>) -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        Self::from_environment(profile, variables)
    }

    /// Where the files are. Default: `APP_CONFIG_DIR`, or else `config` in the working directory. Only that last
    /// one may be missing; then the compiled defaults and the environment are all there is.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Reads no files, wherever the process is: for a service that is told all by code and environment.
    #[must_use]
    pub fn without_files(mut self) -> Self {
        self.no_files = true;
        self
    }

    /// The environment, in place of the one there was. Default: empty. The profile stays what it is.
    #[must_use]
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// A default that the service gives for a key, e.g. `database.url`: above the framework's defaults, below the
    /// files. A value is written as in TOML: a duration is `"30s"`.
    #[must_use]
    pub fn default_value(mut self, key: &str, value: impl Serialize) -> Self {
        let path: KeyPath = key.split('.').map(str::to_owned).collect();
        match Value::serialize(value) {
            Ok(value) => self.defaults.insert(&path, value, Origin::Code),
            Err(error) => {
                let message = format!("has a default that cannot be a setting: {error}");
                self.problems.push(Problem::new(Origin::Code, key, message));
            }
        }
        self
    }

    /// In the profile `production` this key must be set for production: by a variable or in `production.toml`, not by
    /// the code or `default.toml`. For a database it would otherwise be a new, empty one wherever the variable of the
    /// real one was forgotten.
    #[must_use]
    pub fn own_in_production(mut self, key: &'static str) -> Self {
        self.own_in_production.push(key);
        self
    }

    /// Registers a section. Registering the same type again changes nothing; another type with the same name is a
    /// problem that [`Loader::load`] reports.
    pub fn section<S: Section>(&mut self) -> &mut Self {
        self.registry.add::<S>();
        self
    }

    /// The profile that will be loaded.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Reads the files and the environment, and checks everything.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every problem there is: an unknown profile, a directory that should be there, broken
    /// TOML, unknown sections and keys, values of the wrong type, and what the sections' own
    /// [`Section::check`] found.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        let (read, problems) = self.read();
        if problems.is_empty() { Ok(Config::new(read)) } else { Err(ConfigErrors::new(problems)) }
    }

    /// The sections of which nothing is wrong, for who looks at a service whose settings do not hold. None, where a file
    /// could not be read: what it says nobody knows.
    pub(crate) fn sound(&self) -> Config {
        let (mut read, problems) = self.read();
        let section = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
        let wrong: BTreeSet<String> = problems.iter().map(|problem| section(&problem.key)).collect();
        let is_sound = |name: &str| !wrong.contains("") && !wrong.contains(name);
        for unsound in self.registry.iter().filter(|section| !is_sound(section.name)) {
            read.sections.remove(&unsound.id);
        }
        read.entries.retain(|entry| is_sound(&section(&entry.key)));
        Config::new(read)
    }

    /// All that can be read, and everything that is wrong.
    fn read(&self) -> (Inner, Vec<Problem>) {
        let mut problems = self.problems.clone();
        problems.extend_from_slice(self.registry.problems());
        let before = problems.len();
        let mut layers = self.layers(&mut problems);
        let unread = problems.len() > before;
        let findings = inspect(&self.registry, &mut layers);
        problems.extend_from_slice(&findings.problems);

        let merged = layers.iter().fold(Figment::new(), |chain, layer| chain.merge(layer));
        let chain = Chain { merged, layers: &layers, findings: &findings };
        let mut sections: HashMap<_, Box<dyn Any + Send + Sync>> = HashMap::new();
        let mut entries = Vec::new();
        for section in self.registry.iter() {
            let values = chain.merged.find_value(section.name).ok().and_then(Value::into_dict);
            let settings = match section.read_fully(values.unwrap_or_default()) {
                Ok(settings) => settings,
                Err(errors) => {
                    let complaints = errors.iter().map(|error| complaint::of(section, error));
                    problems.extend(complaints.filter(|(key, _)| !chain.has_lost(key)).map(
                        |(key, message)| {
                            Problem::new(chain.nearest_origin(&key), &complaint::key(&key), message)
                        },
                    ));
                    continue;
                }
            };
            for (key, message) in settings.check(self.profile.is_production()) {
                let path: KeyPath =
                    std::iter::once(section.name).chain(key.split('.')).map(str::to_owned).collect();
                let origin = chain.nearest_origin(&path);
                // What a file that could not be read may set is not known to be wrong.
                if !(chain.has_lost(&path) || unread && origin == Origin::Default) {
                    problems.push(Problem::new(origin, &dotted(&path), message));
                }
            }
            chain.entries(section, &settings.show(), &mut entries);
            sections.insert(section.id, settings);
        }
        problems.extend(self.shared_secret(&entries));
        problems.extend(self.own_in_production.iter().filter_map(|key| self.shared(&entries, key)));
        (Inner { profile: self.profile.clone(), sections, entries }, problems)
    }

    /// All layers, the strongest last.
    fn layers(&self, problems: &mut Vec<Problem>) -> Vec<Layer> {
        let variable = self.environment.get(DIRECTORY_VARIABLE).filter(|path| !path.is_empty());
        let (directory, origin) = match (&self.directory, variable) {
            (Some(directory), _) => (directory.clone(), None),
            (None, Some(path)) => (path.into(), Some(Origin::Variable(DIRECTORY_VARIABLE.to_owned()))),
            (None, None) => (DIRECTORY.into(), None),
        };
        if !self.no_files && !directory.is_dir() && (self.directory.is_some() || variable.is_some()) {
            let message = format!("there is no configuration directory {}", directory.display());
            problems.push(Problem::new(origin, "", message));
        }
        let mut files = vec![directory.join("default.toml")];
        match self.profile.check(&directory) {
            Ok(()) => files.push(directory.join(format!("{}.toml", self.profile))),
            Err(message) => problems.push(Problem::new(self.profile_origin.clone(), "", message)),
        }
        let mut layers: Vec<Layer> = self.preset(problems).into_iter().collect();
        layers.push(self.defaults.clone());
        for path in files.into_iter().filter(|_| !self.no_files) {
            match file::read(&path, &self.registry) {
                Ok(layer) => layers.extend(layer),
                Err(problem) => problems.push(problem),
            }
        }
        layers.extend(variables::layers(&self.environment, &self.registry));
        layers
    }

    /// What the framework changes in this profile, for the sections that the service has.
    fn preset(&self, problems: &mut Vec<Problem>) -> Option<Layer> {
        let name = format!("defaults of {}", self.profile);
        let origin = |_| Origin::ProfileDefault(self.profile.to_string());
        match file::parse(self.profile.preset()?, name, &self.registry, origin) {
            Ok(mut layer) => {
                layer.values.retain(|section, _| self.registry.get(section).is_some());
                Some(layer)
            }
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    }

    fn shared(&self, entries: &[super::Entry], key: &str) -> Option<Problem> {
        let entry = entries.iter().find(|entry| entry.key == key)?;
        let message =
            "is the same in every profile: set it for production, by its variable or in production.toml";
        (self.profile.is_production() && of_every_profile(&entry.origin))
            .then(|| Problem::new(entry.origin.clone(), &entry.key, message))
    }

    /// In production the key that signs must be production's own: what the code or `default.toml` gives is known to
    /// every desk.
    fn shared_secret(&self, entries: &[super::Entry]) -> Option<Problem> {
        let entry =
            entries.iter().find(|entry| entry.key == "service.secret_key" && !entry.value.is_null())?;
        let message = "is the same in every profile: set SECRET_KEY for production alone";
        (self.profile.is_production() && of_every_profile(&entry.origin))
            .then(|| Problem::new(entry.origin.clone(), &entry.key, message))
    }
}

/// Whether a value holds in every profile: the code gives it, or `default.toml`.
fn of_every_profile(origin: &Origin) -> bool {
    match origin {
        Origin::Code | Origin::Default => true,
        Origin::File { path, .. } => path.file_name().is_some_and(|name| name == "default.toml"),
        _ => false,
    }
}

impl std::fmt::Debug for Loader {
    /// The environment is left out: it holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("profile", &self.profile)
            .field("directory", &self.directory)
            .field("sections", &self.registry.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
