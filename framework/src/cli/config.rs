use super::{CliError, print};
use crate::app::Ready;

pub(super) fn show(ready: &Ready, json: bool) -> Result<(), CliError> {
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&ready.config().entries())?))
    } else {
        print(&ready.config().render())
    }
}
