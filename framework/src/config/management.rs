use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Section;

/// `[management]`: the listener for operators: metrics to scrape, probes, the log's levels. It has no authentication:
/// whoever reaches it may use it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManagementSettings {
    /// Whether there is one. Without it metrics are aggregated only to be pushed. Default true; the `testing` profile's
    /// is false.
    pub enabled: bool,
    /// The IP address to listen on. Default `127.0.0.1`; `0.0.0.0` (or `::`) for who scrapes from elsewhere, where a
    /// network policy keeps others out.
    pub address: String,
    /// The port. Default 9464; 0 takes any free one.
    pub port: u16,
    /// Whether the service starts without it, with a warning, when it can not listen. Default false; the `development`
    /// profile's is true, for two services at one desk.
    pub optional: bool,
}

impl Default for ManagementSettings {
    fn default() -> Self {
        Self { enabled: true, address: "127.0.0.1".to_owned(), port: 9464, optional: false }
    }
}

impl Section for ManagementSettings {
    const NAME: &'static str = "management";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let wrong = self.address.parse::<IpAddr>().is_err();
        let message = || format!("`{}` is no IP address: use e.g. 127.0.0.1 or 0.0.0.0", self.address);
        wrong.then(|| ("address", message())).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ip_address_is_listened_on() {
        for (address, fits) in [("127.0.0.1", true), ("::1", true), ("[::1]", false), ("localhost", false)] {
            let settings =
                ManagementSettings { address: address.to_owned(), ..ManagementSettings::default() };
            assert_eq!(settings.check(false).is_empty(), fits, "{address}");
        }
    }
}
