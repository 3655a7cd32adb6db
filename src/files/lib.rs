//! Worker: files that appear whole or not at all, the one way in which anything here writes them.
//!
//! Bytes go into a part beside the file, `.earworm-….part`, which then takes the file's place in one step. What is
//! around the file stays as it was: a link is written through, also one whose target is not there yet; a file that is
//! replaced keeps its mode and owner, a new one has what the umask leaves; one that is write-protected is refused.
//! A pipe or a device gets the bytes in one go. So does a file that nothing can take the place of: one with several
//! names (hard links), or in a folder that can't be written to.
//!
//! A program that is told to end calls [`abandon`], so that no part is left behind.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Links that lead to a file, one to the next, at most; as the system has it.
const MOST_LINKS: usize = 40;

/// The parts that are being written.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Writes `bytes` as the whole of the file at `path`.
///
/// # Errors
///
/// What the system says, of `path` and not of any file beside it. The file is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |out| out.write_all(bytes))
}

/// Writes the file at `path` through `fill`, which may seek.
///
/// # Errors
///
/// What `fill` or the system says. The file is then as it was.
pub fn write_with<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<(), E> {
    let before = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        // A process's own open files have names that look like files and are none.
        Ok(metadata) if !metadata.is_file() || is_device(path) => {
            return write_to(&mut OpenOptions::new().write(true).open(path)?, fill);
        }
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let target = behind_links(path)?;
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(before) = before else {
        let part = Part::new_in(folder)?.filled(fill)?;
        fs::rename(&part.path, &target)?;
        part.forget();
        return Ok(());
    };
    // A rename would not ask for leave.
    if before.permissions().readonly() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
    }
    let mut old = OpenOptions::new().write(true).open(&target)?;
    let beside = if has_more_names(&before) {
        None
    } else {
        match Part::new_in(folder).and_then(|part| part.like(&before).map(|()| part)) {
            Ok(part) => Some(part),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Err(error) => return Err(error.into()),
        }
    };
    let replaces = beside.is_some();
    let part = match beside {
        Some(part) => part,
        None => Part::new_in(&std::env::temp_dir())?,
    };
    let part = part.filled(fill)?;
    // Nothing can take the place of a file that is mounted on its own.
    if replaces && fs::rename(&part.path, &target).is_ok() {
        part.forget();
        return Ok(());
    }
    old.set_len(0)?;
    Ok(part.copy_to(&mut old)?)
}

/// Writes to `out`, which can't seek, what `fill` writes, once that is whole.
///
/// # Errors
///
/// What `fill` or the system says. Nothing has been written where `fill` failed.
pub fn write_to<E: From<io::Error>>(
    out: &mut dyn Write,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<(), E> {
    Ok(Part::new_in(&std::env::temp_dir())?.filled(fill)?.copy_to(out)?)
}

/// Removes the parts of all files that are being written in this process, and lets none be started any more: for one that
/// is about to end.
pub fn abandon() {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    for part in unfinished.drain(..) {
        // Whatever is left of it, the process ends.
        let _ = fs::remove_file(part);
    }
    // Held for ever: no other thread makes a part after this.
    std::mem::forget(unfinished);
}

fn is_device(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

/// Where a path leads through its links; where they lead nowhere yet, the place where the file will be.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&target) else { return Ok(target) };
        target = match target.parent() {
            Some(folder) => folder.join(next),
            None => next,
        };
    }
    // The system counts too, and says so in its own words.
    fs::metadata(path).map(|_| target)
}

#[cfg(unix)]
fn has_more_names(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn has_more_names(_: &Metadata) -> bool {
    false
}

/// A file under way, removed unless it is kept.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn new_in(folder: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!(".earworm-{}-{count}.part", std::process::id()));
            // Known before it is there, so that it can't be missed.
            let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => {
                    unfinished.push(path.clone());
                    return Ok(Self { path, file });
                }
                // Of a process that had the same number and was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives it the owner and the mode of a file.
    fn like(&self, metadata: &Metadata) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let own = self.file.metadata()?;
            if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
                fchown(&self.file, Some(metadata.uid()), Some(metadata.gid()))?;
            }
        }
        self.file.set_permissions(metadata.permissions())
    }

    fn filled<E: From<io::Error>>(
        self,
        fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut out = BufWriter::new(&self.file);
        fill(&mut out)?;
        out.flush()?;
        drop(out);
        Ok(self)
    }

    fn copy_to(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.file.rewind()?;
        io::copy(&mut self.file, out)?;
        out.flush()
    }

    /// It is no part any more.
    fn forget(&self) {
        let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        unfinished.retain(|path| *path != self.path);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = unfinished.iter().position(|path| *path == self.path) {
            unfinished.swap_remove(at);
            // Nothing more can be done about one that can't be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_fails_half_way_is_as_it_was_and_nothing_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for before in [None, Some("before")] {
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
            let failed = write_with(&path, |out| {
                out.write_all(&[0; 100_000])?;
                Err(io::Error::from(io::ErrorKind::StorageFull))
            });
            assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            assert_eq!(names(folder.path()).len(), usize::from(before.is_some()));
        }
        write(&path, b"after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn an_error_is_about_the_file_and_names_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_path_buf(), folder.path().join("no/folder")] {
            let told = write(&path, b"").unwrap_err().to_string();
            assert!(!told.contains(".part") && !told.contains(".earworm"), "{told}");
        }
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().mode() & 0o7777
        }

        fn set_mode(path: &Path, mode: u32) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }

        #[test]
        fn a_new_file_has_the_mode_that_any_other_gets_and_a_replaced_one_keeps_its_own() {
            let folder = tempfile::tempdir().unwrap();
            let (usual, path) = (folder.path().join("usual"), folder.path().join("file"));
            fs::write(&usual, "").unwrap();
            write(&path, b"new").unwrap();
            assert_eq!(mode(&path), mode(&usual));
            for own in [0o600, 0o640, 0o777, 0o200] {
                set_mode(&path, own);
                write(&path, b"again").unwrap();
                assert_eq!(mode(&path), own);
            }
        }

        #[test]
        fn a_write_protected_file_is_refused_and_kept() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            fs::write(&path, "kept").unwrap();
            set_mode(&path, 0o444);
            symlink("file", folder.path().join("link")).unwrap();
            for name in ["file", "link"] {
                let error = write(&folder.path().join(name), b"new").unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
            assert_eq!(names(folder.path()), ["file", "link"]);
        }

        #[test]
        fn links_are_written_through_also_where_they_lead_nowhere_yet() {
            let folder = tempfile::tempdir().unwrap();
            let in_folder = |name: &str| folder.path().join(name);
            fs::create_dir(in_folder("below")).unwrap();
            symlink("second", in_folder("first")).unwrap();
            symlink("below/third", in_folder("second")).unwrap();
            symlink("../file", in_folder("below/third")).unwrap();
            for text in ["new", "again"] {
                write(&in_folder("first"), text.as_bytes()).unwrap();
                assert_eq!(fs::read_to_string(in_folder("file")).unwrap(), text);
            }
            assert!(["first", "second", "below/third"].iter().all(|l| in_folder(l).is_symlink()));
            assert!(!in_folder("file").is_symlink());
            symlink("circle", in_folder("circle")).unwrap();
            write(&in_folder("circle"), b"").unwrap_err();
            assert!(in_folder("circle").is_symlink());
        }

        #[test]
        fn every_name_of_a_file_shows_what_was_written() {
            let folder = tempfile::tempdir().unwrap();
            let (one, two) = (folder.path().join("one"), folder.path().join("two"));
            fs::write(&one, "something longer than what comes").unwrap();
            fs::hard_link(&one, &two).unwrap();
            write(&one, b"new").unwrap();
            assert_eq!(fs::read_to_string(&two).unwrap(), "new");
        }

        #[cfg(target_os = "linux")]
        #[test]
        fn a_device_gets_the_bytes_and_stays_one() {
            write(Path::new("/dev/null"), b"gone").unwrap();
            let full = write(Path::new("/dev/full"), b"too much").unwrap_err();
            assert_eq!(full.kind(), io::ErrorKind::StorageFull);
            assert!(!fs::metadata("/dev/null").unwrap().is_file());
        }
    }
}
