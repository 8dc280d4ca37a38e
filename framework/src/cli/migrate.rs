use clap::Subcommand;

use super::{CLOSE, CliError, Output};
use crate::app::Ready;

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
    /// List all of them and whether they are applied
    Status,
}

pub(super) fn migrate(ready: &Ready, direction: &Direction, output: &mut Output<'_>) -> Result<(), CliError> {
    actix_rt::System::new().block_on(async {
        if let Direction::Down { yes: false, .. } = direction
            && ready.config().profile().is_production()
        {
            return Err(CliError::Unconfirmed);
        }
        let migrations = ready.migrations().ok_or(CliError::NoDatabase("nothing to migrate"))?;
        let db = ready.database().await?;
        let lines: Vec<String> = match direction {
            Direction::Up => {
                let applied = db.migrate(migrations).await?;
                if applied.is_empty() {
                    vec!["nothing to apply".to_owned()]
                } else {
                    applied.into_iter().map(|state| format!("applied {}", state.name)).collect()
                }
            }
            Direction::Down { count, .. } => {
                let reverted = db.revert(migrations, *count).await?;
                if reverted.is_empty() {
                    vec!["nothing to take back".to_owned()]
                } else {
                    reverted.into_iter().map(|state| format!("took back {}", state.name)).collect()
                }
            }
            Direction::Status => db
                .migration_status(migrations)
                .await?
                .into_iter()
                .map(|state| {
                    format!("{:8} {}", if state.applied { "applied" } else { "pending" }, state.name)
                })
                .collect(),
        };
        let _all_units_have_ended = db.close(CLOSE).await;
        output.print(&format!("{}\n", lines.join("\n")))
    })
}
