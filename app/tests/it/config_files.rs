//! The service's own files of settings: they hold in every profile that they name.

use std::path::Path;

use orders::create_app;
use spanbox::config::DatabaseSettings;

#[test]
fn the_files_of_the_service_load() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for profile in ["development", "testing", "production"] {
        let own =
            [("SECRET_KEY", "0123456789abcdef0123456789abcdef"), ("DATABASE_URL", "sqlite://var/own.db")];
        let service = create_app(Some(profile)).config_directory(&directory).environment(own);
        let ready = match service.prepare() {
            Ok(ready) => ready,
            Err(errors) => panic!("{profile}: {errors}"),
        };
        let url = ready.config().get::<DatabaseSettings>().unwrap().url;
        assert_eq!(url.expose(), "sqlite://var/own.db", "{profile}");
    }
}
