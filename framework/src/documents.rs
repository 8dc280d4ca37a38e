//! The pages for people whose examples are compiled and run with those of the API. JOBS.md, EXTENSIONS.md and CLIENT.md stand with
//! the modules that they are about.

macro_rules! pages {
    ($($page:ident = $file:literal;)*) => {$(
        #[doc = include_str!($file)]
        mod $page {}
    )*};
}

pages! {
    readme = "../../README.md";
    actors = "../../docs/ACTORS.md";
    cache = "../../docs/CACHE.md";
    config = "../../docs/CONFIG.md";
    from_flask = "../../docs/FROM-FLASK.md";
    modules = "../../docs/MODULES.md";
    observability = "../../docs/OBSERVABILITY.md";
    testing = "../../docs/TESTING.md";
    tutorial = "../../docs/TUTORIAL.md";
}
