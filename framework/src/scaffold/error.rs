use std::io;
use std::path::PathBuf;

/// Why nothing was written, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ScaffoldError {
    /// Words that make no sense together or by themselves.
    #[error("{0}")]
    Usage(String),
    /// The place of a new service is not empty.
    #[error(
        "nothing was written: {} {there} already; choose another name, or with --path a directory that is empty or not there",
        .directory.display()
    )]
    Occupied { directory: PathBuf, there: String },
    /// Files are there that say something else.
    #[error(
        "nothing was written, because {} there already, with another text: move it away, or choose another name",
        .0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ") + if .0.len() == 1 { " is" } else { " are" }
    )]
    There(Vec<PathBuf>),
    /// A file of the service is not such that a line could be added to it.
    #[error("nothing was written: {} has no place for `{line}` that could be found ({why}); add it by hand and run this again", .file.display())]
    NoPlace { file: PathBuf, line: String, why: &'static str },
    /// A template does not work with these words. It is a fault of the program.
    #[error("the template {name}: {source}")]
    Template { name: String, source: minijinja::Error },
    /// A file could not be written.
    #[error("nothing was written, because {} could not be: {source}; see that there is room and that it may be written to, or choose another place", .path.display())]
    Unwritten { path: PathBuf, source: io::Error },
    /// A file or directory could not be read.
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The report could not be written.
    #[error("{0}")]
    Output(#[from] io::Error),
}

impl ScaffoldError {
    pub(super) const fn exit_code(&self) -> u8 {
        if let Self::Usage(_) = self { 2 } else { 1 }
    }
}
