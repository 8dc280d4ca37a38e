//! What is to be written, before any of it is.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ScaffoldError;
use super::writing::Writing;

/// Files to be made and files to be changed, below one directory.
#[derive(Debug)]
pub(super) struct Plan {
    root: PathBuf,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    /// Below the root.
    path: PathBuf,
    /// What is there now; nothing for a file that is not.
    before: Option<String>,
    after: String,
    is_new: bool,
}

impl File {
    fn is_same(&self) -> bool {
        self.before.as_ref() == Some(&self.after)
    }
}

impl Plan {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), files: Vec::new() }
    }

    /// Adds a file to be made. If one is there with this very text, nothing becomes of it.
    pub(super) fn create(&mut self, path: impl Into<PathBuf>, text: String) -> Result<(), ScaffoldError> {
        let path = path.into();
        let before = read(&self.root.join(&path))?;
        self.files.push(File { path, before, after: text, is_new: true });
        Ok(())
    }

    /// Changes a file that is there, or that this plan makes: `edit` has its text and answers the one that it shall have.
    pub(super) fn edit(
        &mut self,
        path: impl Into<PathBuf>,
        edit: impl FnOnce(&str) -> Result<String, ScaffoldError>,
    ) -> Result<(), ScaffoldError> {
        let path = path.into();
        if let Some(file) = self.files.iter_mut().find(|file| file.path == path) {
            file.after = edit(&file.after)?;
            return Ok(());
        }
        let full = self.root.join(&path);
        let Some(before) = read(&full)? else {
            return Err(ScaffoldError::Io { path: full, source: ErrorKind::NotFound.into() });
        };
        let after = edit(&before)?;
        self.files.push(File { path, before: Some(before), after, is_new: false });
        Ok(())
    }

    /// What would be done, a line for each file.
    pub(super) fn report(&self) -> String {
        let line = |file: &File| {
            let what = match (file.is_same(), file.is_new) {
                (true, _) => "same",
                (false, true) => "create",
                (false, false) => "change",
            };
            let added: String = if file.is_same() || file.is_new {
                String::new()
            } else {
                let before = file.before.as_deref().unwrap_or_default();
                let added = added(before, &file.after).into_iter();
                added.map(|line| format!("           + {}\n", line.trim())).collect()
            };
            format!("{what:>8}  {}\n{added}", file.path.display())
        };
        self.files.iter().map(line).collect()
    }

    /// Whether a file of this path is there, or is made.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        self.files.iter().any(|file| file.path == path) || self.root.join(path).exists()
    }

    /// Whether there is nothing to write.
    pub(super) fn is_done(&self) -> bool {
        self.files.iter().all(File::is_same)
    }

    /// Whether no file is in the way.
    pub(super) fn check(&self) -> Result<(), ScaffoldError> {
        let in_the_way =
            self.files.iter().filter(|file| file.is_new && file.before.is_some() && !file.is_same());
        let in_the_way: Vec<_> = in_the_way.map(|file| self.root.join(&file.path)).collect();
        if in_the_way.is_empty() { Ok(()) } else { Err(ScaffoldError::There(in_the_way)) }
    }

    /// Writes all of it, or nothing where a file is in the way or can not be written.
    pub(super) fn carry_out(&self) -> Result<(), ScaffoldError> {
        self.check()?;
        let mut writing = Writing::default();
        for file in self.files.iter().filter(|file| !file.is_same()) {
            let path = self.root.join(&file.path);
            if let Err(source) = writing.stage(&path, &file.after, file.is_new) {
                return Err(ScaffoldError::Unwritten { path, source });
            }
        }
        writing.put().map_err(|(path, source)| ScaffoldError::Unwritten { path, source })
    }
}

/// The lines that a text has more than it had, in their order.
fn added<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let after: Vec<_> = after.lines().collect();
    let (mut before, mut added) = (before.lines().peekable(), Vec::new());
    for (at, line) in after.iter().enumerate() {
        // What is gone.
        while before.next_if(|old| !after[at..].contains(old)).is_some() {}
        if before.next_if(|old| old == line).is_none() && !line.trim().is_empty() {
            added.push(*line);
        }
    }
    added
}

fn read(path: &Path) -> Result<Option<String>, ScaffoldError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ScaffoldError::Io { path: path.to_owned(), source }),
    }
}
