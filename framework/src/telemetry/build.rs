//! What the program was built of: a gauge that is always 1, for dashboards and alerts to join with.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

/// Makes the instrument. The service's own version is in the resource, Prometheus' `target_info`.
pub(super) fn observe(meter: &Meter) {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let mut attributes = vec![
        KeyValue::new("spanbox.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("spanbox.build.profile", profile),
    ];
    if let Some(version) = option_env!("SPANBOX_RUSTC_VERSION") {
        attributes.push(KeyValue::new("process.runtime.version", version));
    }
    meter
        .u64_observable_gauge("spanbox.build.info")
        .with_description("Always 1: what the program was built of.")
        .with_callback(move |observer| observer.observe(1, &attributes))
        .build();
}
