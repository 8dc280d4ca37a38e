//! Settings that want what is behind a feature of the crate.

/// The second half of what is wrong with a setting that wants a feature which is off: what to do about it, or what to do
/// `instead`.
pub(crate) fn built_without(feature: &str, instead: &str) -> String {
    format!(
        "this program was built without it: add \"{feature}\" to the features of spanbox in Cargo.toml, or {instead}"
    )
}
