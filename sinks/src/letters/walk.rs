//! Goes through letters without holding more than the names of one day.

use tracemill_model::Millis;

use super::letter::segment;
use super::{Letter, Letters};
use crate::SinkError;

/// Most letters of a project and day that are listed.
const DAY_LIMIT: usize = 1_000_000;

/// Which letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of that project alone.
    pub project: Option<String>,
    /// Received then or later.
    pub since: Option<Millis>,
    /// Received before.
    pub until: Option<Millis>,
    /// Of raw objects whose key begins so.
    pub object_prefix: String,
}

impl Filter {
    fn takes(&self, letter: &Letter) -> bool {
        let about = &letter.about;
        self.project.as_ref().is_none_or(|project| *project == about.project)
            && self.since.is_none_or(|since| about.received >= since)
            && self.until.is_none_or(|until| about.received < until)
            && about.object.starts_with(&self.object_prefix)
    }

    /// Whether letters of that folder's span (`2026`, `2026/02`, `2026/02/25`) may be taken: dates compare as texts.
    fn may_take(&self, span: &str) -> bool {
        let date = |at: Millis| at.date().replace('-', "/");
        let cut = |date: String| date.chars().take(span.len()).collect::<String>();
        self.since.is_none_or(|since| *span >= *cut(date(since)))
            && self.until.is_none_or(|until| *span <= *cut(date(until)))
    }
}

/// A letter and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// Its path.
    pub path: String,
    /// What it says.
    pub letter: Letter,
}

/// Letters, one after another.
#[derive(Debug)]
pub struct Walk<'a> {
    letters: &'a Letters,
    filter: Filter,
    /// Folders still to be opened, the last is next; with how deep they are below a project.
    folders: Vec<(String, usize)>,
    /// Letters of the day, the last is next.
    paths: Vec<String>,
    has_begun: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(letters: &'a Letters, filter: Filter) -> Self {
        Self {
            letters,
            filter,
            folders: Vec::new(),
            paths: Vec::new(),
            has_begun: false,
        }
    }

    /// The next letter. After [`SinkError::Letter`] it may be called again, for those after the one that could not be read.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next(&mut self) -> Result<Option<Filed>, SinkError> {
        if !self.has_begun {
            self.begin().await?;
            self.has_begun = true;
        }
        loop {
            while let Some(path) = self.paths.pop() {
                match self.letters.get(&path).await {
                    Ok(letter) if self.filter.takes(&letter) => return Ok(Some(Filed { path, letter })),
                    // Somebody dropped it meanwhile.
                    Ok(_) | Err(SinkError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            match self.folders.pop() {
                Some((folder, depth)) => self.open(&folder, depth).await?,
                None => return Ok(None),
            }
        }
    }

    async fn begin(&mut self) -> Result<(), SinkError> {
        let root = self.letters.folder();
        let projects = match &self.filter.project {
            Some(project) => vec![format!("{root}/{}", segment(project))],
            None => self.letters.store.list_folders(&root).await?,
        };
        self.folders = projects.into_iter().rev().map(|folder| (folder, 0)).collect();
        Ok(())
    }

    async fn open(&mut self, folder: &str, depth: usize) -> Result<(), SinkError> {
        let store = &self.letters.store;
        if depth == 3 {
            let entries = store.list(folder, DAY_LIMIT).await?;
            self.paths = entries.into_iter().rev().map(|entry| entry.path).collect();
            return Ok(());
        }
        let below = store.list_folders(folder).await?;
        for folder in below.into_iter().rev() {
            let segments: Vec<&str> = folder.rsplit('/').take(depth + 1).collect();
            let span = segments.into_iter().rev().collect::<Vec<_>>().join("/");
            if self.filter.may_take(&span) {
                self.folders.push((folder, depth + 1));
            }
        }
        Ok(())
    }
}
