use clap::Args;
use serde_json::json;

use super::name::Name;
use super::wire;
use super::work::Work;
use crate::scaffold::ScaffoldError;

/// What makes cargo build again when there is another migration.
const BUILD: &str = "build.rs";

#[derive(Args)]
pub(super) struct Migration {
    /// What it does, e.g. add_customer_to_invoices
    name: String,
}

impl Migration {
    pub(super) fn plan(&self, work: &mut Work) -> Result<(), ScaffoldError> {
        let name = Name::long(&self.name)?;
        let migrations = work.service.migrations.clone();
        if let Some(there) = work.service.migration(&name.snake) {
            let there = ["sqlite", "postgres"]
                .map(|database| work.service.root.join(&migrations).join(database).join(&there));
            return Err(ScaffoldError::There(
                there.into_iter().filter(|directory| directory.exists()).collect(),
            ));
        }
        let directory = work.service.new_migration(&name.snake);
        for (database, other, called) in
            [("sqlite", "postgres", "SQLite"), ("postgres", "sqlite", "PostgreSQL")]
        {
            let below = migrations.join(database).join(&directory);
            for way in ["up", "down"] {
                let words = json!({ "name": name, "database": called, "other": format!("{other}/{directory}/{way}.sql") });
                work.file(below.join(format!("{way}.sql")), &format!("migration/{way}.sql"), words)?;
            }
        }
        work.notes.push(
            "write what it does into all four files, and the change into src/schema.rs; then `cargo run -- migrate up`".to_owned(),
        );
        rebuild(work)
    }
}

/// Cargo looks at the files that `embed_migrations!` has read; that there is another directory it does not see by itself.
fn rebuild(work: &mut Work) -> Result<(), ScaffoldError> {
    let migrations = work.service.migrations.display().to_string().replace('\\', "/");
    if !work.plan.has(BUILD) {
        return work.file(BUILD, "migration/build.rs", json!({ "migrations": migrations }));
    }
    let line = format!("println!(\"cargo::rerun-if-changed={migrations}\");");
    work.line(BUILD, &line, |text| wire::add_rerun(text, &migrations))
}
