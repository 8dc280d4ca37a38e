use clap::Subcommand;
use serde::Serialize;

use super::text::json;
use super::{CLOSE, CliError, Output};
use crate::app::Ready;
use crate::data::{Db, MigrationState, Migrations};

#[derive(Subcommand)]
pub(super) enum Direction {
    /// Apply every migration that is not applied yet
    Up,
    /// Take back the last one, or the last few
    Down {
        /// How many
        #[arg(default_value_t = 1)]
        count: usize,
        /// In production: yes, take the tables away with what is in them
        #[arg(long)]
        yes: bool,
    },
    /// Take back the last one, or the last few, and apply them again
    Redo {
        /// How many
        #[arg(default_value_t = 1)]
        count: usize,
        /// In production: yes, take the tables away with what is in them
        #[arg(long)]
        yes: bool,
    },
    /// List all of them and whether they are applied
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// A migration as JSON tells it.
#[derive(Serialize)]
struct View {
    version: String,
    name: String,
    applied: bool,
}

pub(super) fn migrate(ready: &Ready, direction: &Direction, output: &mut Output<'_>) -> Result<(), CliError> {
    actix_rt::System::new().block_on(async {
        if let Direction::Down { yes: false, .. } | Direction::Redo { yes: false, .. } = direction
            && ready.config().profile().is_production()
        {
            return Err(CliError::Unconfirmed);
        }
        let migrations = ready.migrations().ok_or(CliError::NoDatabase("nothing to migrate"))?;
        let db = ready.database().await?;
        let done = carry_out(&db, migrations, direction).await;
        let _all_units_have_ended = db.close(CLOSE).await;
        output.print(&done?)
    })
}

async fn carry_out(
    db: &Db,
    migrations: &'static Migrations,
    direction: &Direction,
) -> Result<String, CliError> {
    Ok(match direction {
        Direction::Up => lines("applied", db.migrate(migrations).await?, "nothing to apply"),
        Direction::Down { count, .. } => {
            lines("took back", db.revert(migrations, *count).await?, "nothing to take back")
        }
        Direction::Redo { count, .. } => {
            let back = db.revert(migrations, *count).await?;
            if back.is_empty() {
                return Ok("nothing to take back\n".to_owned());
            }
            let back = lines("took back", back, "");
            back + &lines("applied", db.migrate(migrations).await?, "nothing to apply")
        }
        Direction::Status { json: false } => {
            let line = |state: MigrationState| {
                format!("{:8} {}\n", if state.applied { "applied" } else { "pending" }, state.name)
            };
            db.migration_status(migrations).await?.into_iter().map(line).collect()
        }
        Direction::Status { json: true } => {
            let states = db.migration_status(migrations).await?.into_iter();
            let view = |MigrationState { version, name, applied }| View { version, name, applied };
            json(&states.map(view).collect::<Vec<_>>())?
        }
    })
}

/// A line for each, or the one for none.
fn lines(what: &str, migrations: Vec<MigrationState>, none: &str) -> String {
    if migrations.is_empty() {
        return format!("{none}\n");
    }
    migrations.into_iter().map(|state| format!("{what} {}\n", state.name)).collect()
}
