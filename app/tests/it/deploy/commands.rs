//! Every command that a file or a page calls the program with is one of its commands.

use regex::Regex;
use serde_json::Value;

use super::{documents, file_names, read, texts, yaml};

/// Whether the program knows these words, by asking for the help behind them: nothing runs, and all before is read.
pub(super) fn assert_command(place: &str, words: &[&str]) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let asked = ["orders"].iter().chain(words).chain(&["--help"]);
    let code = orders::commands().execute(asked, &mut out, &mut err);
    assert_eq!(code, 0, "{place}: orders {}: {}", words.join(" "), String::from_utf8_lossy(&err));
}

/// The words behind the name of the program.
fn of_program<'a>(words: &[&'a str]) -> Option<Vec<&'a str>> {
    let (first, rest) = words.split_first()?;
    (first.rsplit('/').next() == Some("orders")).then(|| rest.to_vec())
}

#[test]
fn the_image_starts_and_is_asked_by_commands() {
    let file = read("Dockerfile");
    let list = Regex::new(r"(?m)^\s*(?:ENTRYPOINT|CMD) (\[.*\])$").unwrap();
    let lists: Vec<Vec<String>> =
        list.captures_iter(&file).map(|found| serde_json::from_str(&found[1]).unwrap()).collect();
    let lists: Vec<Vec<&str>> = lists.iter().map(|list| list.iter().map(String::as_str).collect()).collect();
    assert_eq!(lists, [vec!["orders", "health", "--ready"], vec!["orders"], vec!["serve"]]);
    assert_command("HEALTHCHECK", &lists[0][1..]);
    assert_command("CMD", &lists[2]);
}

#[test]
fn the_containers_run_commands() {
    let compose = yaml("compose.yaml");
    let mut run = 0;
    for service in ["migrate", "app", "worker"] {
        let service = &compose["services"][service];
        assert_command("compose.yaml", &texts(&service["command"]));
        let check = texts(&service["healthcheck"]["test"]);
        if let Some(check) = check.strip_prefix(&["CMD"]) {
            assert_command("compose.yaml", &of_program(check).unwrap());
            run += 1;
        }
    }
    assert_eq!(run, 2);
    for file in ["app", "worker", "migrate"] {
        let place = format!("kubernetes/base/{file}.yaml");
        let containers = documents(&place)[0]["spec"]["template"]["spec"]["containers"].clone();
        let containers: Vec<Value> = serde_json::from_value(containers).unwrap();
        assert!(containers.iter().all(|container| container["command"].is_null()), "{place}");
        containers.iter().for_each(|container| assert_command(&place, &texts(&container["args"])));
    }
}

#[test]
fn the_units_run_commands() {
    let units = file_names("systemd").into_iter().filter(|file| file.ends_with(".service"));
    let mut run = 0;
    for unit in units {
        for line in read(&unit).lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let words: Vec<_> = line.split_whitespace().collect();
            assert_command(&unit, &of_program(&words).unwrap());
            run += 1;
        }
    }
    assert_eq!(run, 3);
}

#[test]
fn the_page_names_commands() {
    let page = read("README.md");
    let span = Regex::new(r"`orders ([^`…]*)`").unwrap();
    let commands: Vec<_> = span.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in &commands {
        let words: Vec<_> = command
            .split_whitespace()
            .map(|word| if word == "NAME" || word == "ID" { "1" } else { word })
            .collect();
        assert_command("README.md", &words);
    }
}

#[test]
fn what_is_no_command_is_noticed() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for wrong in [["orders", "brew", "--help"], ["orders", "worker", "--quiet"], ["orders", "migrate", "upp"]]
    {
        assert_eq!(orders::commands().execute(wrong, &mut out, &mut err), 2, "{wrong:?}");
    }
}
