//! The commands that documents name, held against those that there are.

use std::fs;
use std::path::Path;

use orders::create_app;
use spanbox::telemetry::Standing;

use super::blocks::{Block, root};

/// Programs of others, of whose words only the paths are looked at.
const OTHERS: [&str; 15] = [
    "apt-get",
    "cp",
    "docker",
    "git",
    "install",
    "kill",
    "kubectl",
    "openssl",
    "pg_dump",
    "pip",
    "promtool",
    "sqlite3",
    "sudo",
    "systemctl",
    "tail",
];

/// What the management listener answers.
const MANAGEMENT: [&str; 4] = ["/metrics", "/health/", "/log", "/actors"];

/// One command, in words.
pub(super) struct Line {
    variables: Vec<(String, String)>,
    words: Vec<String>,
}

/// The commands of a block.
pub(super) fn lines(block: &Block) -> Vec<Line> {
    let text = block.text.replace("\\\n", " ");
    let commands = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(split);
    let lines = commands.map(|words| {
        let is_variable = |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_name(name));
        let variables = words.iter().take_while(is_variable);
        let variables: Vec<_> = variables
            .filter_map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
        Line { words: words[variables.len()..].to_vec(), variables }
    });
    lines.filter(|line| !line.words.is_empty() || !line.variables.is_empty()).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// A line as commands in words: `&&`, `|` and `;` part commands, quotes hold words together, `#` begins a remark.
fn split(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => {
                let quoted: String = letters.by_ref().take_while(|other| *other != letter).collect();
                word.get_or_insert_default().push_str(&quoted);
            }
            '#' if word.is_none() => break,
            ' ' => words.extend(word.take()),
            '&' | '|' | ';' => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    commands.push(words);
    commands.retain(|words: &Vec<String>| !words.is_empty());
    commands
}

impl Line {
    /// What is wrong with it. `elsewhere`: it is given in a service that `spanbox new` has written, which has the commands of
    /// every service and routes of its own.
    pub(super) fn wrong(&self, elsewhere: bool) -> Result<(), String> {
        self.variables()?;
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let Some((program, rest)) = words.split_first() else { return Ok(()) };
        match *program {
            "cargo" => cargo(rest),
            "spanbox" => spanbox(rest),
            "orders" | "shop" | "./target/release/shop" => service(rest),
            "curl" => curl(rest, elsewhere),
            "cd" | "export" | "mkdir" => Ok(()),
            // The last one is where it goes to.
            "cp" | "install" => paths(&rest[..rest.len().saturating_sub(1)]),
            script if script.starts_with(".ci/") || script.contains('/') => paths(&words),
            other if OTHERS.contains(&other) => paths(rest),
            other => {
                Err(format!("`{other}` is no program that is known here: add it to those that are checked"))
            }
        }
    }

    /// Those of the service must be settings of it, those of telemetry ones that it reads, and all others are read somewhere.
    fn variables(&self) -> Result<(), String> {
        if self.variables.is_empty() {
            return Ok(());
        }
        let service = create_app(Some("development")).without_files().environment(self.variables.clone());
        let ready = service.prepare().map_err(|errors| errors.to_string())?;
        if let Some(unknown) =
            ready.variables().iter().find(|variable| variable.standing == Standing::Unknown)
        {
            return Err(unknown.to_string());
        }
        let others = self.variables.iter().map(|(name, _)| name.as_str());
        let others = others.filter(|name| !name.contains("__") && !name.starts_with("OTEL_"));
        let sources = ["framework", "app", "benches"].map(|directory| root().join(directory));
        others
            .filter(|name| !sources.iter().any(|directory| names(directory, &format!("\"{name}\""))))
            .try_for_each(|name| Err(format!("nobody reads the variable {name}")))
    }
}

/// Whether a source file in the directory has the text.
fn names(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        match path.extension().and_then(|is| is.to_str()) {
            Some("rs") => fs::read_to_string(&path).unwrap().contains(text),
            _ => path.is_dir() && names(&path, text),
        }
    })
}

/// Words of the service's own program: with `--help` behind them they are read and nothing is carried out.
fn service(words: &[&str]) -> Result<(), String> {
    told(words, |words, out, err| orders::commands().execute([&["orders"][..], words].concat(), out, err))
}

fn spanbox(words: &[&str]) -> Result<(), String> {
    told(words, |words, out, err| spanbox::scaffold::execute([&["spanbox"][..], words].concat(), out, err))
}

fn told(words: &[&str], execute: impl Fn(&[&str], &mut Vec<u8>, &mut Vec<u8>) -> u8) -> Result<(), String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    match execute(&[words, &["--help"]].concat(), &mut out, &mut err) {
        0 => Ok(()),
        _ => Err(String::from_utf8_lossy(&err).into_owned()),
    }
}

fn cargo(words: &[&str]) -> Result<(), String> {
    let own = words.iter().position(|word| *word == "--");
    let (options, rest) = words.split_at(own.unwrap_or(words.len()));
    let value = |option: &str| {
        let at = options.iter().position(|word| *word == option)?;
        options.get(at + 1).copied()
    };
    let exists = |path: Option<String>| match path.map(|path| root().join(path)) {
        Some(path) if !path.exists() => Err(format!("there is no {}", path.display())),
        _ => Ok(()),
    };
    exists(value("--bench").map(|name| format!("benches/benches/{name}.rs")))?;
    exists(value("--path").map(str::to_owned))?;
    if let Some(name) = value("--test") {
        let places = ["framework/tests", "app/tests", "tests"].map(|place| root().join(place).join(name));
        if !places.iter().any(|place| place.exists()) {
            return Err(format!("there is no test target {name}"));
        }
    }
    let rest = rest.get(1..).unwrap_or_default();
    match (options.first().copied(), value("-p")) {
        (Some("run"), Some("spanbox")) => spanbox(rest),
        (Some("run"), Some("benches")) => {
            let main = fs::read_to_string(root().join("benches/src/main.rs")).unwrap();
            let known = |word: &&&str| main.to_lowercase().contains(**word);
            rest.first()
                .filter(|word| !known(word))
                .map_or(Ok(()), |word| Err(format!("benches knows no `{word}`")))
        }
        (Some("run"), _) => service(rest),
        (Some("bench" | "build" | "clippy" | "deny" | "doc" | "fmt" | "install" | "test"), _) => Ok(()),
        (other, _) => Err(format!("what does cargo {other:?} do?")),
    }
}

/// A request of the service must be one that it has a route for.
fn curl(words: &[&str], elsewhere: bool) -> Result<(), String> {
    let address = |word: &&&str| word.starts_with("http://") || word.starts_with("localhost");
    let url = words.iter().find(address).ok_or("where does it go?")?.trim_start_matches("http://");
    let after = |option: &str| words.iter().position(|word| *word == option).map(|at| words[at + 1]);
    let method = after("-X").unwrap_or("GET");
    let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
    let path = path.split('?').next().unwrap_or_default();
    match host {
        "localhost:9464" => match MANAGEMENT.iter().any(|known| path.starts_with(known)) {
            true => Ok(()),
            false => Err(format!("the management listener does not answer {path}")),
        },
        "localhost:8080" if elsewhere => Ok(()),
        "localhost:8080" => {
            let ready = create_app(Some("development")).without_files().environment([("A", "")]).prepare();
            let ready = ready.map_err(|errors| errors.to_string())?;
            let known =
                ready.routes().iter().any(|route| route.method == method && fits(&route.pattern, path));
            known.then_some(()).ok_or_else(|| format!("there is no route for {method} {path}"))
        }
        other => Err(format!("what listens at {other}?")),
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let parts = |text: &str| text.trim_end_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, path) = (parts(pattern), parts(path));
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(pattern, part)| pattern.starts_with('{') || pattern == part)
}

/// Files and directories of the repository that are named must be there; of a pattern, the directory.
fn paths(words: &[&str]) -> Result<(), String> {
    let ours = ["app/", "benches/", "config/", "deploy/", "docs/", "framework/", "migrations/", ".ci/"];
    let named = words.iter().map(|word| word.trim_start_matches("./"));
    let mut named = named.filter(|word| ours.iter().any(|directory| word.starts_with(directory)));
    let is_missing = |path: &&str| {
        let path = path.split_once('*').map_or(*path, |(before, _)| before);
        !root().join(path).exists()
    };
    named.find(is_missing).map_or(Ok(()), |missing| Err(format!("there is no {missing}")))
}
