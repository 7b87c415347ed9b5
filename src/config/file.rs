//! Files that a configuration names, as bytes.
//!
//! A pipe would keep the control thread waiting for a writer that may never come, and opening a device can do
//! things: both are refused before they are opened. What is read is bounded.

use std::{
    fs::File,
    io::{Error, ErrorKind, Read as _, Result},
    path::Path,
};

/// The bytes of a regular file of at most `bytes_max`.
pub fn read_regular(file: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let kind = std::fs::metadata(file)?.file_type();
    if !kind.is_dir() && !kind.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a pipe, a socket or a device, not a file"));
    }
    read(file, bytes_max)
}

/// The same for what an operator named as an argument, which may be a pipe: `vergate check -c /dev/stdin`.
pub fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let opened = File::open(file)?;
    if opened.metadata()?.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    let mut bytes = Vec::new();
    opened.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bounded_regular_files_are_read() {
        let folder = std::env::temp_dir().join(format!("vergate-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (file, pipe, link) = (folder.join("file"), folder.join("pipe"), folder.join("link"));
        std::fs::write(&file, "12345").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).expect("bound");
        let outcome = |path: &Path, bytes_max| read_regular(path, bytes_max).map_err(|error| error.kind());
        assert_eq!(outcome(&file, 5), Ok(b"12345".to_vec()));
        assert_eq!(outcome(&link, 5), Ok(b"12345".to_vec()), "a link to a file is a file");
        assert_eq!(outcome(&file, 4), Err(ErrorKind::FileTooLarge));
        assert_eq!(outcome(&folder, 5), Err(ErrorKind::IsADirectory));
        for path in [&pipe, &folder.join("socket"), Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert_eq!(outcome(path, 5), Err(ErrorKind::InvalidInput), "{}", path.display());
        }
        assert_eq!(read(Path::new("/dev/zero"), 5).map_err(|error| error.kind()), Err(ErrorKind::FileTooLarge));
        assert_eq!(outcome(&folder.join("none"), 5), Err(ErrorKind::NotFound));
        drop(socket);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
