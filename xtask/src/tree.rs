//! The repository as the tidy rules see it: paths, and the text of the files that have any.
//!
//! The rules work on this value and not on the disk, so that each of them is tested with a tree of two or three lines.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

/// Directories that hold nothing of ours.
const SKIPPED: [&str; 3] = [".git", "target", "quorate-data"];
/// How deep the walk goes; the repository is far flatter.
const MAX_DEPTH: usize = 16;
/// What counts as text, by the end of the name.
const TEXT: [&str; 8] = [".rs", ".toml", ".md", ".proto", ".lock", ".yml", ".txt", ".ci/run"];

/// One text file.
pub struct File {
    /// From the repository's root, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// All files.
#[derive(Default)]
pub struct Tree {
    /// Text files, by path.
    pub files: Vec<File>,
    /// Every file and directory.
    pub paths: BTreeSet<String>,
}

impl Tree {
    /// Reads the repository at `root`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(root: &Path) -> io::Result<Tree> {
        let mut tree = Tree::default();
        tree.walk(root, "", MAX_DEPTH)?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// A tree of these files.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            for (at, _) in path.match_indices('/') {
                tree.paths.insert(path[..at].to_owned());
            }
            tree.paths.insert((*path).to_owned());
            tree.files.push(File { path: (*path).to_owned(), text: (*text).to_owned() });
        }
        tree
    }

    /// The file at `path`.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Files whose path ends so.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a File> + 'a {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }

    /// The names of the crates under `crates/`.
    pub fn crates(&self) -> Vec<&str> {
        let manifests = self.ending("/Cargo.toml");
        manifests.filter_map(|file| file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")).collect()
    }

    fn walk(&mut self, dir: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        if depth == 0 {
            return Ok(());
        }
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if entry.file_type()?.is_dir() {
                self.walk(&entry.path(), &path, depth - 1)?;
            } else if TEXT.iter().any(|end| path.ends_with(end)) {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                self.files.push(File { path: path.clone(), text });
            }
            self.paths.insert(path);
        }
        Ok(())
    }
}
