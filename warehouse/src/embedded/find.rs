//! Where an engine comes from: a `clickhouse` binary on the PATH, else the cached library.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::WarehouseError;

/// The version of the library, as `scripts/clickhouse-library.sh` pins it.
pub const LIBRARY_VERSION: &str = "26.7.3-stable.1";

/// An engine to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The `clickhouse` binary.
    Binary(PathBuf),
    /// `libchdb.so`.
    Library(PathBuf),
}

/// The part of the environment that decides.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `PATH`.
    pub path: Option<std::ffi::OsString>,
    /// `TRACEMILL_CACHE`.
    pub tracemill_cache: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub xdg_cache_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process. An empty variable counts as unset.
    #[must_use]
    pub fn of_process() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            path: var("PATH"),
            tracemill_cache: var("TRACEMILL_CACHE").map(PathBuf::from),
            xdg_cache_home: var("XDG_CACHE_HOME").map(PathBuf::from),
            home: var("HOME").map(PathBuf::from),
        }
    }

    /// The cache folder: `$TRACEMILL_CACHE`, else `$XDG_CACHE_HOME/tracemill`, else `~/.cache/tracemill`.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        if let Some(cache) = &self.tracemill_cache {
            return cache.clone();
        }
        let base = match (&self.xdg_cache_home, &self.home) {
            (Some(xdg), _) => xdg.clone(),
            (None, Some(home)) => home.join(".cache"),
            (None, None) => PathBuf::from(".cache"),
        };
        base.join("tracemill")
    }

    /// Where the library is, if it was fetched.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.cache()
            .join(format!("libchdb-{LIBRARY_VERSION}"))
            .join("libchdb.so")
    }

    /// The engine to run. `is_program` says whether a path is an executable file, `is_file` whether it is a file.
    ///
    /// # Errors
    /// [`WarehouseError::NoEngine`], whose hint names the command that fetches the library.
    pub fn find(
        &self,
        is_program: impl Fn(&Path) -> bool,
        is_file: impl Fn(&Path) -> bool,
    ) -> Result<Engine, WarehouseError> {
        let folders = std::env::split_paths(self.path.as_deref().unwrap_or(OsStr::new("")));
        // Relative entries would run whatever lies in the current folder.
        let mut programs = folders
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("clickhouse"));
        if let Some(binary) = programs.find(|program| is_program(program)) {
            return Ok(Engine::Binary(binary));
        }
        let library = self.library();
        if is_file(&library) {
            return Ok(Engine::Library(library));
        }
        Err(WarehouseError::NoEngine { library })
    }
}

/// The engine of this machine.
///
/// # Errors
/// [`WarehouseError::NoEngine`].
pub fn engine() -> Result<Engine, WarehouseError> {
    use std::os::unix::fs::PermissionsExt;
    let is_program = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    Surroundings::of_process().find(is_program, Path::is_file)
}

#[cfg(test)]
mod tests {
    use tracemill_model::Blame;

    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            path: Some("/one:two:/three".into()),
            home: Some("/home/me".into()),
            ..Surroundings::default()
        }
    }

    #[test]
    fn a_binary_comes_before_the_library() {
        let here = surroundings();
        let library = format!("/home/me/.cache/tracemill/libchdb-{LIBRARY_VERSION}/libchdb.so");
        assert_eq!(
            here.find(|path| path == Path::new("/three/clickhouse"), |_| true).ok(),
            Some(Engine::Binary("/three/clickhouse".into()))
        );
        assert_eq!(
            here.find(|_| false, |_| true).ok(),
            Some(Engine::Library(library.into()))
        );
        // A relative entry of the PATH is not searched.
        assert_eq!(here.find(|path| path.starts_with("two"), |_| false).ok(), None);
    }

    #[test]
    fn nothing_found_names_the_command() {
        let error = surroundings().find(|_| false, |_| false).expect_err("nothing is there");
        assert!(
            error.to_string().contains("/home/me/.cache/tracemill/libchdb-"),
            "{error}"
        );
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("scripts/clickhouse-library.sh"))
        );
    }

    #[test]
    fn the_cache_folder_follows_the_environment() {
        let mut here = surroundings();
        here.xdg_cache_home = Some("/xdg".into());
        assert_eq!(here.cache(), Path::new("/xdg/tracemill"));
        here.tracemill_cache = Some("/mine".into());
        assert_eq!(here.cache(), Path::new("/mine"));
    }
}
