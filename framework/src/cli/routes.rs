use clap::Args;

use super::text::{json, safe, table};
use super::{CliError, Output};
use crate::app::Ready;
use crate::config::closest;
use crate::module::RouteInfo;

#[derive(Args)]
pub(super) struct Routes {
    /// Only those with this in their method, pattern or handler
    filter: Option<String>,
    /// Only those of this module
    #[arg(long, short)]
    module: Option<String>,
    /// With what surrounds each, one line each
    #[arg(long, short)]
    long: bool,
    /// As JSON, with all of it
    #[arg(long)]
    json: bool,
}

impl Routes {
    pub(super) fn run(&self, ready: &Ready, output: &mut Output<'_>) -> Result<(), CliError> {
        let mut routes: Vec<RouteInfo> = ready.routes().to_vec();
        routes.extend(ready.mounts());
        if let Some(module) = &self.module {
            let known = routes.iter().map(|route| route.module.as_str());
            if !known.clone().any(|known| known == module) {
                let hint = closest(module, known).map(|close| format!(": did you mean `{close}`?"));
                let hint = hint.unwrap_or_default();
                return Err(CliError::Usage(format!("no module `{module}` has routes{hint}")));
            }
            routes.retain(|route| route.module == *module);
        }
        if let Some(filter) = &self.filter {
            let of = |route: &RouteInfo| format!("{} {} {}", route.method, route.pattern, route.handler);
            routes.retain(|route| of(route).contains(filter));
        }
        if self.json {
            return output.print(&json(&routes)?);
        }
        if routes.is_empty() {
            return output.print("there are no such routes\n");
        }
        output.print(&if self.long { long(&routes) } else { short(&routes) })
    }
}

/// A line for each.
fn short(routes: &[RouteInfo]) -> String {
    let head = ["METHOD", "PATTERN", "MODULE", "HANDLER", "AUTH", "AROUND"].map(str::to_owned).to_vec();
    let rows = routes.iter().map(|route| {
        let around = match route.middleware.len() {
            0 => "-".to_owned(),
            count => count.to_string(),
        };
        let auth = route.auth.as_deref().unwrap_or("-");
        [&*route.method, &route.pattern, &route.module, &route.handler, auth, &around].map(safe).to_vec()
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), |_| false)
}

/// A few lines for each, with what surrounds it.
fn long(routes: &[RouteInfo]) -> String {
    let mut text = String::new();
    for route in routes {
        let auth = route.auth.as_deref().unwrap_or("not known");
        let around = match route.middleware.is_empty() {
            true => "nothing".to_owned(),
            false => route.middleware.join(", "),
        };
        text.push_str(&safe(&format!("{} {}", route.method, route.pattern)));
        for (what, value) in
            [("module", &*route.module), ("handler", &route.handler), ("auth", auth), ("around", &around)]
        {
            text.push_str(&format!("\n    {what:8}{}", safe(value)));
        }
        text.push('\n');
    }
    text
}
