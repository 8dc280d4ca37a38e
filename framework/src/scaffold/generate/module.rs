use clap::Args;
use serde_json::json;

use super::name::Name;
use super::work::Work;
use crate::scaffold::ScaffoldError;

#[derive(Args)]
pub(super) struct Module {
    /// What it is called, e.g. reports; its paths begin with /api/reports
    name: String,
    /// For everybody, in a service with accounts: without this its route is for who has signed in
    #[arg(long)]
    public: bool,
}

impl Module {
    pub(super) fn plan(&self, work: &mut Work) -> Result<(), ScaffoldError> {
        let name = Name::module(&self.name)?;
        name.check_type()?;
        work.check_module(&name.snake)?;
        // Where the interface is described, each route is.
        let described = work.service.lib.contains(".describe(");
        let signed_in = work.service.has_accounts() && !self.public;
        let words = json!({
            "name": name,
            "described": described,
            "signed_in": signed_in,
            "library": work.service.library,
        });
        for file in ["mod", "routes"] {
            work.file(format!("src/{}/{file}.rs", name.snake), &format!("module/{file}.rs"), &words)?;
        }
        work.depend(&["serde"], &["actix", "serde_json"])?;
        work.wire_module(&name.snake)?;
        if described {
            work.describe(&name.snake)?;
        }
        work.test(&name.snake, "module/test.rs", &words)?;
        if work.service.has_accounts() {
            let who = if signed_in {
                "is for who has signed in, `spanbox::web::Principal`; --public writes one for everybody"
            } else {
                "is open to everybody"
            };
            work.notes.push(format!("the route of /api/{} {who}", name.kebab));
        }
        Ok(())
    }
}

/// The module that a part belongs to, as the name of its directory, and the part's file in it. Without one to belong to, a
/// part has a module of its own name.
pub(super) fn home(
    work: &mut Work,
    part: &Name,
    module: Option<&str>,
    own: &'static str,
) -> Result<(String, String), ScaffoldError> {
    let home = match module {
        Some(module) => Name::module(module)?,
        None => Name::module(&part.snake)?,
    };
    // A module of its own name in a module is hard to tell apart.
    let file = if home == *part { own.to_owned() } else { part.snake.clone() };
    let directory = format!("src/{}/mod.rs", home.snake);
    if !work.plan.has(&directory) {
        if module.is_some() {
            return Err(ScaffoldError::Usage(format!(
                "there is no module `{0}`: {directory} is missing; `spanbox generate module {0}` makes one",
                home.snake
            )));
        }
        work.check_module(&home.snake)?;
        work.file(&directory, "module/bare.rs", json!({ "name": home, "file": file }))?;
        work.wire_module(&home.snake)?;
    }
    work.declare(&directory, &file)?;
    Ok((home.snake, file))
}
