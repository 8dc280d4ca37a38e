use super::{CliError, Output};
use crate::app::Ready;

pub(super) fn show(ready: &Ready, json: bool, output: &mut Output<'_>) -> Result<(), CliError> {
    if json {
        output.print(&format!("{}\n", serde_json::to_string_pretty(&ready.config().entries())?))
    } else {
        output.print(&ready.config().render())
    }
}
