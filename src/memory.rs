//! Watches how much of the memory the process may use is in use.
//!
//! Looked at by the control thread on a coarse tick, never by a request: workers are told when the degree changes.

use std::{fs, path::Path, time::Duration};

use crate::{config::checked::MemoryLimit, pipeline::pressure::Pressure};

/// How often memory is looked at. Between two looks a flood of requests may take what it can read in this time.
pub const LOOK: Duration = Duration::from_millis(100);

/// Something has to be left above the floor.
const FLOOR_PERCENT_MAX: u64 = 96;

/// The guard of one configuration.
#[derive(Debug, Default)]
pub struct Guard {
    /// Bytes; none where nothing limits them.
    limit: Option<u64>,
    /// Bytes in use when requests were refused and none was being served; 0 while that has not happened.
    floor: u64,
    pressure: Pressure,
}

impl Guard {
    /// Whether there is anything to guard.
    pub fn is_on(&self) -> bool {
        self.limit.is_some() || self.pressure != Pressure::None
    }

    /// The limit in bytes, if there is one.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Holds another limit from now on.
    pub fn set(&mut self, limit: MemoryLimit) {
        self.limit = match limit {
            MemoryLimit::Auto => control_group(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup")),
            MemoryLimit::Unlimited => None,
            MemoryLimit::Bytes(bytes) => Some(bytes),
        };
        self.floor = 0;
    }

    /// The new degree, if it has changed.
    ///
    /// - `used`: resident bytes; none if unknown, which changes nothing.
    /// - `idle`: whether no request is being served. Refusing more of them frees nothing then.
    pub fn look(&mut self, used: Option<u64>, idle: bool) -> Option<Pressure> {
        let next = match (self.limit, used) {
            (None, _) => Pressure::None,
            (Some(_), None) => self.pressure,
            (Some(limit), Some(used)) => {
                if idle && self.pressure >= Pressure::Shed {
                    self.floor = used;
                }
                self.floor = self.floor.min(used).min(limit / 100 * FLOOR_PERCENT_MAX);
                self.pressure.next(used, limit, self.floor)
            }
        };
        (std::mem::replace(&mut self.pressure, next) != next).then_some(next)
    }
}

/// Bytes of memory the process has.
pub fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The tightest memory limit of the control group and those above it (cgroup v2, else v1).
///
/// - `own`: `/proc/self/cgroup`.
/// - `root`: where control groups are mounted. A container often sees its own group as the root.
fn control_group(own: &Path, root: &Path) -> Option<u64> {
    let text = fs::read_to_string(own).ok()?;
    let mut limits = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (folder, file) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            one if one.split(',').any(|controller| controller == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        for above in path.ancestors() {
            let limit = fs::read_to_string(folder.join(above).join(file));
            // `max`, or in v1 a number near the largest there is, means none.
            limits.extend(limit.ok().and_then(|text| text.trim().parse().ok()).filter(|bytes: &u64| *bytes < 1 << 60));
        }
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let root = std::env::temp_dir().join(format!("vergate-cgroup-{}", std::process::id()));
        for (own, files, limit) in [
            ("0::/a/b\n", &[("a/b/memory.max", "max\n"), ("a/memory.max", "1048576\n")][..], Some(1 << 20)),
            ("0::/a/b\n", &[("a/b/memory.max", "4096\n"), ("a/memory.max", "1048576\n")], Some(4096)),
            // A container: the path is that of another namespace, the root is its own.
            ("0::/../../x\n", &[("memory.max", "8192\n")], Some(8192)),
            ("0::/\n", &[("memory.max", "max\n")], None),
            ("0::/\n", &[], None),
            (
                "3:cpu,cpuacct:/a\n2:memory:/a\n",
                &[
                    ("memory/a/memory.limit_in_bytes", "2048\n"),
                    ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Some(2048),
            ),
            ("nonsense", &[], None),
        ] {
            for (file, text) in files {
                let file = root.join(file);
                fs::create_dir_all(file.parent().expect("a folder")).expect("created");
                fs::write(file, text).expect("written");
            }
            fs::create_dir_all(&root).expect("created");
            fs::write(root.join("self"), own).expect("written");
            assert_eq!(control_group(&root.join("self"), &root), limit, "{own}");
            fs::remove_dir_all(&root).expect("removed");
        }
    }

    #[test]
    fn a_guard_speaks_only_of_changes_and_lets_go_with_its_limit() {
        let mut guard = Guard::default();
        assert_eq!(guard.look(Some(u64::MAX), false), None);
        guard.set(MemoryLimit::Bytes(1000));
        assert_eq!(guard.look(Some(500), false), None);
        assert_eq!(guard.look(Some(930), false), Some(Pressure::Shed));
        assert_eq!(guard.look(Some(930), false), None);
        assert_eq!(guard.look(None, false), None);
        guard.set(MemoryLimit::Unlimited);
        assert!(guard.is_on(), "workers have to hear that it is over");
        assert_eq!(guard.look(Some(930), false), Some(Pressure::None));
        assert!(!guard.is_on());
    }

    #[test]
    fn what_the_allocator_keeps_does_not_refuse_requests_for_ever() {
        let mut guard = Guard::default();
        guard.set(MemoryLimit::Bytes(1000));
        assert_eq!(guard.look(Some(940), false), Some(Pressure::Shed));
        assert_eq!(guard.look(Some(940), false), None, "requests are being served: their memory may come back");
        assert_eq!(guard.look(Some(935), true), Some(Pressure::None));
        assert_eq!(guard.look(Some(970), false), Some(Pressure::Shed), "what is new counts");
        assert_eq!(guard.look(Some(500), false), Some(Pressure::None));
        assert_eq!(guard.look(Some(940), false), Some(Pressure::Shed), "the floor has gone down with it");
        // Also where next to nothing is left.
        assert_eq!(guard.look(Some(999), false), Some(Pressure::NoAccept));
        assert_eq!(guard.look(Some(999), true), None);
        assert_eq!(guard.look(Some(962), true), Some(Pressure::None));
    }

    #[test]
    fn a_process_is_at_least_a_page() {
        assert!(resident().expect("statm") >= 4096);
    }
}
