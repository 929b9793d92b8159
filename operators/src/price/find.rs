//! Which model a name means. Each thread remembers what it found, so that workers share no lock; at most [`REMEMBERED`]
//! names of at most [`LONGEST`] bytes, then it starts afresh.

use std::cell::RefCell;
use std::collections::HashMap;

use super::Prices;
use super::model::Model;

const REMEMBERED: usize = 4096;
const LONGEST: usize = 512;

#[derive(Debug, Default)]
struct Memory {
    /// Of which prices.
    identity: u64,
    names: usize,
    /// Place among the models by name, for all projects without models of their own.
    global: HashMap<Box<str>, Option<usize>>,
    /// By project, then by name.
    projects: HashMap<Box<str>, HashMap<Box<str>, Option<usize>>>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Prices {
    pub(super) fn find(&self, project: &str, name: &str) -> Option<&Model> {
        let own = if self.projects.is_empty() {
            None
        } else {
            self.projects.get(project)
        };
        if name.len() > LONGEST {
            return self.search(own, name).map(|at| &self.models[at]);
        }
        let at = MEMORY.with_borrow_mut(|memory| {
            if memory.identity != self.identity || memory.names >= REMEMBERED {
                *memory = Memory {
                    identity: self.identity,
                    ..Memory::default()
                };
            }
            let names = match own {
                None => Some(&memory.global),
                Some(_) => memory.projects.get(project),
            };
            if let Some(known) = names.and_then(|names| names.get(name)) {
                return *known;
            }
            let found = self.search(own, name);
            let names = match own {
                None => &mut memory.global,
                Some(_) => memory.projects.entry(project.into()).or_default(),
            };
            names.insert(name.into(), found);
            memory.names += 1;
            found
        });
        at.map(|at| &self.models[at])
    }

    fn search(&self, own: Option<&Vec<usize>>, name: &str) -> Option<usize> {
        let own = own.map_or(&[][..], Vec::as_slice);
        own.iter()
            .chain(&self.global)
            .copied()
            .find(|&at| self.models[at].pattern.is_match(name))
    }
}
