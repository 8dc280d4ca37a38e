use super::CliError;
use crate::app::Ready;

pub(super) fn show(ready: &Ready, json: bool) -> Result<(), CliError> {
    if json {
        println!("{}", serde_json::to_string_pretty(&ready.config().entries())?);
    } else {
        print!("{}", ready.config().render());
    }
    Ok(())
}
