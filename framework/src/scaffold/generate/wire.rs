//! The lines that make a part one of its service, and where in the source that is there already they go.
//!
//! Each function answers the text with the line, or the text as it is if the line is there, or why there is no place for it.

use super::code::{Call, Code, Line};

/// Why a line has no place.
type Why = &'static str;

/// What a service is told before its extensions.
const BEFORE_EXTENSIONS: &[&str] = &[
    "profile",
    "config_directory",
    "without_files",
    "environment",
    "with_environment",
    "default_setting",
    "migrations",
];

/// The macro that lists the tables which may stand in one query.
const TOGETHER: &str = "allow_tables_to_appear_in_same_query";

/// `mod name;`, in its place among the others.
pub(super) fn declare(text: &str, name: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let lines = code.lines();
    let mut declared = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.depth == 0) {
        let Some((known, body)) = module_of(&code.text()[line.start..line.end]) else { continue };
        if known == name {
            return if body { Err("it has a `mod` of this name with a body") } else { Ok(text.to_owned()) };
        }
        let above =
            number.checked_sub(1).map_or("", |above| text[lines[above].start..lines[above].end].trim());
        if !body && !above.contains("cfg(test)") {
            declared.push((number, known.to_owned()));
        }
    }
    if let Some((number, _)) = declared.iter().rev().find(|(_, known)| known.as_str() < name) {
        return Ok(insert(text, lines[*number].end, &format!("\nmod {name};")));
    }
    match declared.first() {
        Some((first, _)) => Ok(insert(text, head(text, &lines, *first), &format!("mod {name};\n"))),
        None => Ok(declare_first(text, &lines, name)),
    }
}

/// The name of the module that a line of code declares, and whether its body follows.
fn module_of(line: &str) -> Option<(&str, bool)> {
    let line = line.trim();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let name = line.strip_prefix("mod ")?.trim();
    match name.strip_suffix(';') {
        Some(name) => Some((name.trim(), false)),
        None => Some((name.split_once('{')?.0.trim(), true)),
    }
}

/// Where the attributes and the documentation of what stands on a line begin.
fn head(text: &str, lines: &[Line], number: usize) -> usize {
    let mut first = number;
    while let Some(above) = first.checked_sub(1) {
        let line = text[lines[above].start..lines[above].end].trim();
        if !line.starts_with("#[") && !line.starts_with("///") {
            break;
        }
        first = above;
    }
    lines[first].start
}

/// The first module of a file: below what is said of the whole file, and above all else.
fn declare_first(text: &str, lines: &[Line], name: &str) -> String {
    let (mut end, mut inner) = (0, false);
    for line in lines {
        let words = text[line.start..line.end].trim();
        let of_the_file = words.starts_with("//!") || words.starts_with("#![");
        // A licence, say; not what is said of the first item.
        let comment = !inner && words.starts_with("//") && !words.starts_with("///");
        if of_the_file || comment || (inner && line.depth > 0) {
            inner |= of_the_file;
            end = (line.end + 1).min(text.len());
        } else if !words.is_empty() {
            break;
        }
    }
    let before = if end == 0 { "" } else { "\n" };
    let after = if text[end..].starts_with('\n') || end == text.len() { "" } else { "\n" };
    let before = if end > 0 && !text[..end].ends_with('\n') { "\n\n" } else { before };
    insert(text, end, &format!("{before}mod {name};\n{after}"))
}

/// `.module(name::module())` on the service.
pub(super) fn add_module(text: &str, name: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let chain = service(&code)?;
    let addition = format!(".module({name}::module())");
    if has(text, &chain, "module", &format!("({name}::module())")) {
        return Ok(text.to_owned());
    }
    let known =
        [BEFORE_EXTENSIONS, &["extension", "describe", "module", "before", "after", "on_error"]].concat();
    Ok(append(text, &code, last_of(&chain, &known), &addition))
}

/// `.extension(expression)` on the service.
pub(super) fn add_extension(text: &str, expression: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let chain = service(&code)?;
    if has(text, &chain, "extension", &format!("({expression})")) {
        return Ok(text.to_owned());
    }
    let known = [BEFORE_EXTENSIONS, &["extension"]].concat();
    Ok(append(text, &code, last_of(&chain, &known), &format!(".extension({expression})")))
}

/// `.with(&name::Api::openapi())` on the description of the service, which it is given if it has none.
pub(super) fn describe(text: &str, name: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let operations = format!("(&{name}::Api::openapi())");
    let Some(chain) = code.chain("Description::new", "create_app") else {
        return describe_first(text, &operations);
    };
    if has(text, &chain, "new", &operations) || has(text, &chain, "with", &operations) {
        return Ok(text.to_owned());
    }
    Ok(append(text, &code, last_of(&chain, &["with"]), &format!(".with{operations}")))
}

fn describe_first(text: &str, operations: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let chain = service(&code)?;
    if chain.iter().any(|call| call.name == "describe") {
        return Err("the description of the service is made elsewhere");
    }
    let known = [BEFORE_EXTENSIONS, &["extension"]].concat();
    let call = format!(".describe(Description::new{operations})");
    let text = append(text, &code, last_of(&chain, &known), &call);
    let text = import(&text, "spanbox::ext::openapi::Description")?;
    import(&text, "utoipa::OpenApi as _")
}

/// `use path;`
fn import(text: &str, path: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let lines = code.lines();
    let mut uses = (0..).zip(&lines).filter(|(_, line)| {
        line.depth == 0 && code.text()[line.start..line.end].trim_start().starts_with("use ")
    });
    let line = format!("use {path};");
    if text.lines().any(|known| known.trim() == line) {
        return Ok(text.to_owned());
    }
    let (first, _) = uses.next().ok_or("it has no `use`")?;
    Ok(insert(text, head(text, &lines, first), &format!("{line}\n")))
}

/// `.job::<path, _>(…)` on the module that the file makes.
pub(super) fn add_job(text: &str, path: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let chain = module(&code)?;
    let kind = path.rsplit("::").next().unwrap_or(path);
    let there = |call: &Call| {
        let types = code.text()[call.start..call.open].split(|c: char| !c.is_alphanumeric() && c != '_');
        call.name == "job" && types.into_iter().any(|word| word == kind)
    };
    if chain.iter().any(there) {
        return Ok(text.to_owned());
    }
    Ok(append(text, &code, end(&chain)?, &format!(".job::<{path}, _>(|_boot| Ok(()))")))
}

/// `.on_start(…)` with the start of an actor on the module that the file makes.
pub(super) fn add_actor(text: &str, name: &str, path: &str) -> Result<String, Why> {
    if text.contains(&format!(".actor(\"{name}\"")) {
        return Ok(text.to_owned());
    }
    let code = Code::new(text);
    let chain = module(&code)?;
    let start = format!(
        ".on_start(async |boot| {{\n            let factory = |_: &mut Context<{path}>| {path}::default();\n            \
         boot.provide(boot.actors().actor(\"{name}\", factory).start());\n            Ok(())\n        }})"
    );
    let text = append(text, &code, end(&chain)?, &start);
    import(&text, "spanbox::actor::Context")
}

/// A `table!` and its place among the tables that may be joined, if the schema says so of some.
pub(super) fn add_table(text: &str, name: &str, table: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let tables = code.words("table").filter_map(|at| {
        let rest = code.text()[at..].strip_prefix("table!")?.trim_start().strip_prefix(['{', '('])?;
        rest.split(['(', '{']).next().map(str::trim)
    });
    if tables.into_iter().any(|known| known == name || known.rsplit('.').next() == Some(name)) {
        return Ok(text.to_owned());
    }
    let text = list(text, name)?;
    // Above all that is said of how tables are joined.
    let code = Code::new(&text);
    let about = ["joinable!", "allow_tables_to_appear_in_same_query!"];
    let lines = code.lines();
    let first =
        lines.iter().find(|line| about.iter().any(|name| code.text()[line.start..line.end].contains(name)));
    Ok(match first {
        Some(line) => insert(&text, line.start, &format!("{table}\n")),
        None => format!("{}\n\n{table}", text.trim_end()),
    })
}

/// `joinable!` of a table and one that it refers to, and both among the tables that may stand in one query. Between two tables
/// diesel knows one way alone.
pub(super) fn add_join(text: &str, child: &str, parent: &str, column: &str) -> Result<String, Why> {
    let squeezed: String = Code::new(text).text().split_whitespace().collect();
    let there = |one: &str, other: &str| squeezed.contains(&format!("joinable!({one}->{other}("));
    if there(child, parent) || there(parent, child) {
        return Ok(text.to_owned());
    }
    let join = format!("diesel::joinable!({child} -> {parent} ({column}));");
    let text = list(&list(text, child)?, parent)?;
    let code = Code::new(&text);
    let lines = code.lines();
    let listed =
        lines.iter().find(|line| code.text()[line.start..line.end].contains(&format!("{TOGETHER}!")));
    Ok(match listed {
        Some(line) => insert(&text, line.start, &format!("{join}\n")),
        None => format!("{}\n\n{join}\ndiesel::{TOGETHER}!({parent}, {child});\n", text.trim_end()),
    })
}

/// A table among those that may stand in one query, where a schema has a list of them.
fn list(text: &str, name: &str) -> Result<String, Why> {
    let code = Code::new(text);
    let Some(joined) = code.words(TOGETHER).next() else { return Ok(text.to_owned()) };
    let open = joined + code.text()[joined..].find(['(', '{', '[']).ok_or("its last macro is not closed")?;
    let close = code.close(open).ok_or("its last macro is not closed")? - 1;
    if code.text()[open + 1..close].split(',').any(|known| known.trim() == name) {
        return Ok(text.to_owned());
    }
    let inside = text[open + 1..close].trim_end();
    let comma = if inside.ends_with(',') || inside.trim().is_empty() { "" } else { "," };
    let (before, after) = if inside.contains('\n') { ("\n    ", ",\n") } else { (" ", "") };
    let listed = format!("{inside}{comma}{before}{name}{after}");
    Ok([&text[..=open], &listed, &text[close..]].concat())
}

/// The tables of the jobs among the migrations of the service.
pub(super) fn add_job_tables(text: &str) -> Result<String, Why> {
    let code = Code::new(text);
    if code.text().contains("jobs::MIGRATIONS") {
        return Ok(text.to_owned());
    }
    let chain = code.chain("Migrations::new", "").ok_or("the service has no database")?;
    if chain.iter().any(|call| call.name == "with") {
        return Err("its migrations have others with them already, which these go with");
    }
    Ok(append(text, &code, last_of(&chain, &[]), ".with(&spanbox::jobs::MIGRATIONS)"))
}

/// A build script that runs again, and with it the build, when a directory changes.
pub(super) fn add_rerun(text: &str, directory: &str) -> Result<String, Why> {
    let line = format!("println!(\"cargo::rerun-if-changed={directory}\");");
    let older = line.replace("cargo::", "cargo:");
    if text.contains(&line) || text.contains(&older) {
        return Ok(text.to_owned());
    }
    let code = Code::new(text);
    let main = code.words("fn").find_map(|at| {
        let rest = code.text()[at + 2..].trim_start();
        rest.strip_prefix("main")?
            .trim_start()
            .starts_with('(')
            .then(|| code.text()[at..].find('{').map(|open| at + open))?
    });
    Ok(insert(text, main.ok_or("it has no `fn main`")? + 1, &format!("\n    {line}")))
}

/// What the service is made of in `create_app`.
fn service(code: &Code) -> Result<Vec<Call>, Why> {
    code.chain("Service::new", "create_app").ok_or("it has no `Service::new(…)`")
}

fn module(code: &Code) -> Result<Vec<Call>, Why> {
    code.chain("Module::new", "module").ok_or("it has no `Module::new(…)`")
}

fn end(chain: &[Call]) -> Result<&Call, Why> {
    chain.last().ok_or("it has no `Module::new(…)`")
}

/// The last call of one of these names, or the first of all.
fn last_of<'a>(chain: &'a [Call], names: &[&str]) -> &'a Call {
    chain.iter().rev().find(|call| names.contains(&call.name.as_str())).unwrap_or(&chain[0])
}

/// Whether there is a call with these arguments, however they are laid out.
fn has(text: &str, chain: &[Call], name: &str, arguments: &str) -> bool {
    let given =
        |call: &Call| text[call.open..call.end].split_whitespace().collect::<String>().replace(",)", ")");
    chain.iter().any(|call| call.name == name && given(call) == arguments)
}

/// Puts a call behind another: on a line of its own if nothing but a comment follows that.
fn append(text: &str, code: &Code, after: &Call, addition: &str) -> String {
    let end_of_line = text[after.end..].find('\n').map_or(text.len(), |length| after.end + length);
    if !code.text()[after.end..end_of_line].trim().is_empty() {
        return insert(text, after.end, addition);
    }
    let line = &text[text[..after.start].rfind('\n').map_or(0, |newline| newline + 1)..];
    let indent = &line[..line.len() - line.trim_start().len()];
    let deeper =
        if text[after.start..].starts_with('.') && line.trim_start().starts_with('.') { "" } else { "    " };
    insert(text, end_of_line, &format!("\n{indent}{deeper}{addition}"))
}

fn insert(text: &str, at: usize, addition: &str) -> String {
    [&text[..at], addition, &text[at..]].concat()
}
