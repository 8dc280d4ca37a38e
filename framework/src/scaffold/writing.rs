//! Files that are all written, or none of them.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Files on their way. Each is written beside its place first, which is what fails on a disk that is full; only when all
/// are there does each go to its place. What is not at its place when this is dropped is gone, with the directories made
/// for it.
#[derive(Debug, Default)]
pub(super) struct Writing {
    staged: Vec<Staged>,
    /// Those that were made, the outer ones first.
    directories: Vec<PathBuf>,
    is_done: bool,
}

#[derive(Debug)]
struct Staged {
    path: PathBuf,
    beside: PathBuf,
    is_new: bool,
    /// Whether it is at its place, and what was there.
    placed: bool,
    kept: Option<PathBuf>,
}

impl Writing {
    /// Writes a file beside its place.
    pub(super) fn stage(&mut self, path: &Path, text: &str, is_new: bool) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            self.make(directory)?;
        }
        let beside = next_to(path, "new");
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        self.staged.push(Staged { path: path.to_owned(), beside, is_new, placed: false, kept: None });
        file.write_all(text.as_bytes())
    }

    /// Makes a directory and those above it. One that somebody else makes meanwhile is theirs, and will do as well.
    fn make(&mut self, directory: &Path) -> io::Result<()> {
        if directory.as_os_str().is_empty() || directory.is_dir() {
            return Ok(());
        }
        if let Some(above) = directory.parent() {
            self.make(above)?;
        }
        match fs::create_dir(directory) {
            Ok(()) => self.directories.push(directory.to_owned()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Puts each file to its place; or says which one could not be, and then none is.
    pub(super) fn put(mut self) -> Result<(), (PathBuf, io::Error)> {
        for file in &mut self.staged {
            file.put().map_err(|error| (file.path.clone(), error))?;
        }
        self.is_done = true;
        Ok(())
    }
}

impl Staged {
    fn put(&mut self) -> io::Result<()> {
        if self.is_new {
            // One that has come to be since the plan was made stays.
            if self.path.symlink_metadata().is_ok() {
                return Err(ErrorKind::AlreadyExists.into());
            }
        } else {
            // What a link leads to is what is changed, and it stays as it may be read and run.
            self.path = self.path.canonicalize()?;
            fs::set_permissions(&self.beside, fs::metadata(&self.path)?.permissions())?;
            let kept = next_to(&self.path, "old");
            fs::rename(&self.path, &kept)?;
            self.kept = Some(kept);
        }
        fs::rename(&self.beside, &self.path)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Writing {
    /// Nobody is left to be told if it fails.
    fn drop(&mut self) {
        for file in self.staged.iter().rev() {
            if self.is_done {
                let _ = file.kept.as_ref().map(fs::remove_file);
                continue;
            }
            let _ = fs::remove_file(if file.placed { &file.path } else { &file.beside });
            let _ = file.kept.as_ref().map(|kept| fs::rename(kept, &file.path));
        }
        if !self.is_done {
            for directory in self.directories.iter().rev() {
                let _ = fs::remove_dir(directory);
            }
        }
    }
}

/// The path of a file beside another.
fn next_to(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.spanbox-{what}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(directory: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn all_are_written_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("old"), "before").unwrap();
        let mut writing = Writing::default();
        writing.stage(&path("a/b/new"), "new", true).unwrap();
        writing.stage(&path("old"), "after", false).unwrap();
        assert_eq!(fs::read_to_string(path("old")).unwrap(), "before");
        writing.put().unwrap();
        assert_eq!(fs::read_to_string(path("old")).unwrap(), "after");
        assert_eq!(fs::read_to_string(path("a/b/new")).unwrap(), "new");
        assert_eq!(names(directory.path()), BTreeSet::from(["a".to_owned(), "old".to_owned()]));
        assert_eq!(names(&path("a/b")), BTreeSet::from(["new".to_owned()]));
    }

    #[test]
    fn where_one_can_not_be_none_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("old"), "before").unwrap();
        let mut writing = Writing::default();
        writing.stage(&path("a/new"), "new", true).unwrap();
        writing.stage(&path("old"), "after", false).unwrap();
        writing.stage(&path("b/other"), "other", true).unwrap();
        fs::write(path("b/other"), "of somebody else").unwrap();
        let (at, error) = writing.put().unwrap_err();
        assert_eq!((at, error.kind()), (path("b/other"), ErrorKind::AlreadyExists));
        assert_eq!(fs::read_to_string(path("old")).unwrap(), "before");
        assert_eq!(names(directory.path()), BTreeSet::from(["b".to_owned(), "old".to_owned()]));
        assert_eq!(names(&path("b")), BTreeSet::from(["other".to_owned()]));
    }

    #[test]
    fn several_at_once_write_below_the_same_new_directory() {
        for _ in 0..100 {
            let directory = tempfile::tempdir().unwrap();
            let path = |name: &str| directory.path().join("a/b").join(name);
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for name in ["one", "two", "three", "four"] {
                    let (path, start) = (path(name), &start);
                    scope.spawn(move || {
                        let mut writing = Writing::default();
                        start.wait();
                        writing.stage(&path, "new", true).unwrap();
                        writing.put().unwrap();
                    });
                }
            });
            assert_eq!(names(&directory.path().join("a/b")).len(), 4);
        }
    }

    #[test]
    fn what_fails_before_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        let mut writing = Writing::default();
        writing.stage(&directory.path().join("a/b/new"), "new", true).unwrap();
        assert!(writing.stage(&directory.path().join("file/below"), "new", true).is_err());
        drop(writing);
        assert_eq!(names(directory.path()), BTreeSet::from(["file".to_owned()]));
    }
}
