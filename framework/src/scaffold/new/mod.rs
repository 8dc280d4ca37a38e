//! `spanbox new`: a service that runs, with its tests, its settings, its migrations and what deploys it.

mod name;
mod place;
mod questions;
mod source;
#[cfg(test)]
mod tests;

use std::io::{BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::templates::quoted;
use super::{Plan, ScaffoldError, Templates};
use name::Name;
use questions::Questions;
use source::{Source, SourceArguments};

/// A new service.
#[derive(Args, Debug)]
pub(super) struct New {
    /// The name of the service and of its package: lower-case letters, digits, `-` and `_`
    #[arg(value_parser = Name::parse)]
    name: Name,
    /// The directory to write it to, which is empty or not there yet [default: one of that name, here]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The database that it runs on; its code is good for both [default: sqlite]
    #[arg(long, value_enum)]
    database: Option<Database>,
    /// Who hands its jobs out, which are kept in the database either way [default: database]
    #[arg(long, value_enum)]
    jobs: Option<Jobs>,
    /// With accounts: users register and sign in, and each has notes of their own
    #[arg(long)]
    auth: bool,
    /// Without the example, the module `notes`
    #[arg(long)]
    bare: bool,
    /// Ask nothing: what is not said is as by default. Without a terminal nothing is asked anyway
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    source: SourceArguments,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Database {
    /// A file, made when it is missing
    #[default]
    Sqlite,
    /// A server
    Postgres,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Jobs {
    /// The database that they are in
    #[default]
    Database,
    /// Redis Streams, where one database is outgrown
    Redis,
}

/// What a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Choices {
    database: Database,
    jobs: Jobs,
    auth: bool,
    bare: bool,
}

/// What the templates know.
#[derive(Serialize)]
struct Words<'a> {
    name: &'a str,
    /// The name as Rust writes it.
    krate: String,
    /// The oldest compiler that will do.
    rust: &'static str,
    /// Where `spanbox` comes from, as a part of an inline table of TOML, and the checkout if it is one.
    spanbox: String,
    checkout: Option<source::Checkout>,
    /// The features of `spanbox`, as a list of TOML.
    features: String,
    /// Whether the package would else be taken for a part of the workspace around it.
    nested: bool,
    postgres: bool,
    redis: bool,
    auth: bool,
    notes: bool,
    /// Who asks for notes, in the tests.
    client: &'static str,
}

impl New {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), ScaffoldError> {
        let directory = self.path.clone().unwrap_or_else(|| self.name.as_str().into());
        place::check(&directory)?;
        let source = Source::choose(&self.source, &directory)?;
        let at_a_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let choices = if self.yes || !at_a_terminal {
            self.said()
        } else {
            self.ask(&mut std::io::stdin().lock(), err)?
        };
        let mut plan = Plan::new(&directory);
        for (path, text) in files(&self.name, choices, &source, &directory)? {
            plan.create(path, text)?;
        }
        plan.carry_out()?;
        write!(out, "{}{}", plan.report(), next(&self.name, choices, &source, &directory))?;
        Ok(())
    }

    /// The choices of the command line, and for the others the defaults.
    fn said(&self) -> Choices {
        Choices {
            database: self.database.unwrap_or_default(),
            jobs: self.jobs.unwrap_or_default(),
            auth: self.auth,
            bare: self.bare,
        }
    }

    /// The same, but what was not said is asked for.
    fn ask(&self, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<Choices, ScaffoldError> {
        let mut questions = Questions::new(input, out);
        Ok(Choices {
            database: match self.database {
                Some(database) => database,
                None => questions.choose("Which database?")?,
            },
            jobs: match self.jobs {
                Some(jobs) => jobs,
                None => questions.choose("Who hands jobs out?")?,
            },
            auth: self.auth || questions.agree("With accounts, so that users sign in?", false)?,
            bare: self.bare || !questions.agree("With an example, the module `notes`?", true)?,
        })
    }
}

/// Every file of a service with its text, by its path.
fn files(
    name: &Name,
    choices: Choices,
    source: &Source,
    directory: &Path,
) -> Result<Vec<(&'static str, String)>, ScaffoldError> {
    let Choices { auth, bare, .. } = choices;
    let (postgres, redis) = (choices.database == Database::Postgres, choices.jobs == Jobs::Redis);
    let features =
        [("auth", auth), ("limit", auth), ("openapi", true), ("postgres", postgres), ("redis", redis)];
    let features: Vec<_> =
        features.iter().filter(|(_, wanted)| *wanted).map(|(feature, _)| quoted(feature)).collect();
    let words = Words {
        name: name.as_str(),
        krate: name.in_rust(),
        rust: env!("CARGO_PKG_RUST_VERSION"),
        spanbox: source.dependency(),
        checkout: source.checkout(),
        features: format!("[{}]", features.join(", ")),
        nested: place::is_in_a_workspace(directory),
        postgres,
        redis,
        auth,
        notes: !bare,
        client: if auth { "user" } else { "app" },
    };
    let layers = [
        ("new/service/", true),
        ("new/notes/", !bare),
        ("new/auth/", auth),
        ("new/empty/", bare && !auth),
        ("new/redis/", redis && !bare),
        ("new/servers/", postgres || redis),
    ];
    let templates = Templates::new()?;
    let mut files = Vec::new();
    for (layer, _) in layers.into_iter().filter(|(_, wanted)| *wanted) {
        for path in Templates::files(layer) {
            files.push((path, templates.render(&format!("{layer}{path}"), &words)?));
        }
    }
    files.sort();
    Ok(files)
}

/// What to do with it.
fn next(name: &Name, choices: Choices, source: &Source, directory: &Path) -> String {
    let servers = if choices.database == Database::Postgres || choices.jobs == Jobs::Redis {
        "  docker compose -f deploy/development.yaml up -d --wait\n"
    } else {
        ""
    };
    let elsewhere = match source {
        Source::Path { .. } => {
            "\nspanbox is a path of this machine in its Cargo.toml: for others and for CI give --spanbox-git or \
             --spanbox-version.\n"
        }
        Source::Git { .. } | Source::Version(_) => "",
    };
    format!(
        "\n{} is in {}. It runs by\n\n  cd {}\n{servers}  cargo run\n\nand its README.md goes on from there.\n{elsewhere}",
        name.as_str(),
        directory.display(),
        place::for_a_shell(directory),
    )
}
