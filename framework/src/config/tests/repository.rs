use std::path::Path;

use super::*;

/// The order service's own files: they must load in every profile that they name.
#[test]
fn the_files_of_the_service_load() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for profile in ["development", "testing", "production"] {
        let loader = Loader::new(profile).directory(&directory).environment([("SECRET_KEY", KEY)]);
        let config = framework(loader).load().unwrap();
        let url = config.get::<DatabaseSettings>().unwrap().url;
        assert_eq!(url.expose(), "sqlite://var/orders.db", "{profile}");
    }
}
