//! Notices that a file has changed.
//!
//! Directories are watched, not files: editors and Kubernetes put a new file in the place of the
//! old one, and a watch on a file would stay with the old one. A change counts when the bytes of a
//! file that was read differ from those last seen.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::config::file::read_regular;

/// Writers are left alone this long before their file is read.
pub const SETTLE: Duration = Duration::from_millis(100);

/// Watches the files of a configuration.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
    files: Vec<PathBuf>,
    seen: u64,
}

impl Watch {
    /// A watch on nothing yet, and the channel that says that something moved in a watched directory.
    ///
    /// Without inotify the gateway runs on; SIGHUP and the admin port still reload.
    pub fn new() -> (Self, mpsc::Receiver<()>) {
        let (moved, notices) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let read_only = matches!(&event, Ok(event) if event.kind.is_access());
            if !read_only {
                // One notice is enough; a full channel holds it already.
                let _ = moved.try_send(());
            }
        });
        let watcher = watcher.map_err(|error| tracing::warn!(%error, "files cannot be watched for changes")).ok();
        (Self { watcher, directories: BTreeSet::new(), files: Vec::new(), seen: 0 }, notices)
    }

    /// Watches `files` from now on, as they are now.
    pub fn files(&mut self, files: &[PathBuf]) {
        self.files = files.to_vec();
        let wanted: BTreeSet<PathBuf> = files.iter().map(|file| directory(file)).collect();
        if let Some(watcher) = &mut self.watcher {
            for gone in self.directories.difference(&wanted) {
                let _ = watcher.unwatch(gone);
            }
            for new in wanted.difference(&self.directories) {
                if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                    tracing::warn!(directory = %new.display(), %error, "directory cannot be watched for changes");
                }
            }
        }
        self.directories = wanted;
    }

    /// Takes the files as they are now as seen; returns whether any had changed.
    pub fn look(&mut self) -> bool {
        let now = digest(&self.files);
        std::mem::replace(&mut self.seen, now) != now
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn digest(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        // A file that is missing for a moment differs from any content.
        // A pipe in its place would never end.
        read_regular(file, u64::MAX).ok().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_changed_content_counts_as_a_change() {
        let folder = std::env::temp_dir().join(format!("vergate-watch-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let file = folder.join("gateway.yaml");
        fs::write(&file, "a").expect("written");
        let (mut watch, _notices) = Watch::new();
        watch.files(std::slice::from_ref(&file));
        assert!(watch.look());
        assert!(!watch.look());
        fs::write(&file, "a").expect("written");
        assert!(!watch.look());
        fs::write(&file, "b").expect("written");
        assert!(watch.look());
        fs::remove_file(&file).expect("removed");
        assert!(watch.look());
        fs::remove_dir_all(&folder).expect("removed");
    }
}
