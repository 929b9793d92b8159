//! Who may write: projects and keys from the configuration. Only hashes of secrets are kept, and compared in constant time.
//!
//! A bcrypt hash is compared once; then the key has a fast hash too. Wrong secrets are remembered for a while, and only a few
//! comparisons run at once, so that wrong keys cost little.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tracemill_model::ingest::Text;
use tracemill_model::{Millis, Secret};
use tracemill_operators::Clock;

use crate::error::Error;
use crate::hashes::{self, Hash};

/// Wrong secrets that are remembered at most.
const WRONG: usize = 4_096;
/// Characters of a secret that are looked at: more is refused, so that hashing is bounded.
const LONGEST_SECRET: usize = 1_024;

/// Whom a project belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub id: Text,
    /// Its name.
    pub name: Text,
}

/// A hash of a secret key.
#[derive(Debug, Clone)]
pub enum SecretForm {
    /// 64 hexadecimal digits, as [`fast_hash`](crate::fast_hash) makes them.
    Fast(Secret),
    /// `$2a$`, `$2b$` or `$2y$`.
    Bcrypt(Secret),
}

/// A key of a project.
#[derive(Debug, Clone)]
pub struct KeyConfig {
    /// The project.
    pub project_id: Text,
    /// Its name.
    pub project_name: Text,
    /// Whose it is.
    pub organisation: Organisation,
    /// The public key.
    pub public_key: Text,
    /// The secret key's hash.
    pub secret: SecretForm,
}

/// A project that has a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Project {
    pub(crate) id: Text,
    pub(crate) name: Text,
    pub(crate) organisation: Organisation,
    /// Its place in lists of projects.
    pub(crate) index: usize,
}

struct Key {
    project: Arc<Project>,
    /// The fast hash: configured, or learnt from a bcrypt comparison.
    fast: RwLock<Option<Hash>>,
    bcrypt: Option<Arc<Secret>>,
    /// One comparison of a key at a time, so that requests with the same secret share one.
    gate: Semaphore,
}

/// All keys.
pub struct Keys {
    keys: HashMap<Text, Key>,
    projects: Vec<Arc<Project>>,
    salt_hash: String,
    wrong: Mutex<Wrong>,
    comparisons: Arc<Semaphore>,
}

/// Whether a secret is right.
pub(crate) enum Verdict {
    Right(Arc<Project>),
    Wrong,
    /// It could not be compared in time.
    Busy,
}

/// How to compare bcrypt hashes.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) wait: Duration,
    pub(crate) wrong_for: Duration,
}

impl Keys {
    /// Checks and keeps them. `salt` is that of the fast hashes; `at_once` bounds concurrent bcrypt comparisons.
    ///
    /// # Errors
    /// A public key twice or not valid, a hash that is none, a project with two names.
    pub fn new(configs: Vec<KeyConfig>, salt: &Secret, at_once: usize) -> Result<Self, Error> {
        let mut keys = HashMap::with_capacity(configs.len());
        let mut projects: Vec<Arc<Project>> = Vec::new();
        for config in configs {
            let public_key = config.public_key.clone();
            if public_key.is_empty() || public_key.contains(':') {
                return Err(Error::PublicKey(public_key.to_string()));
            }
            let project = project(&mut projects, &config)?;
            let key = key(project, config)?;
            if keys.insert(public_key.clone(), key).is_some() {
                return Err(Error::DuplicateKey(public_key.to_string()));
            }
        }
        Ok(Self {
            keys,
            projects,
            salt_hash: hashes::salt_hash(salt),
            wrong: Mutex::default(),
            comparisons: Arc::new(Semaphore::new(at_once.max(1))),
        })
    }

    pub(crate) fn projects(&self) -> &[Arc<Project>] {
        &self.projects
    }

    /// The project of a public key.
    pub(crate) fn public(&self, public_key: &str) -> Option<Arc<Project>> {
        self.keys.get(public_key).map(|key| Arc::clone(&key.project))
    }

    /// Whether the secret is that of the public key.
    pub(crate) async fn verify(&self, public_key: &str, secret: &str, patience: Patience, clock: &Clock) -> Verdict {
        if secret.len() > LONGEST_SECRET {
            return Verdict::Wrong;
        }
        let hash = hashes::fast(secret, &self.salt_hash);
        let Some(key) = self.keys.get(public_key) else {
            return Verdict::Wrong;
        };
        if key.knows(&hash) {
            return Verdict::Right(Arc::clone(&key.project));
        }
        let Some(bcrypt) = &key.bcrypt else {
            return Verdict::Wrong;
        };
        let compared = tokio::time::timeout(patience.wait, self.compare(key, bcrypt, secret, hash, patience, clock));
        compared.await.unwrap_or(Verdict::Busy)
    }

    async fn compare(
        &self,
        key: &Key,
        bcrypt: &Arc<Secret>,
        secret: &str,
        hash: Hash,
        patience: Patience,
        clock: &Clock,
    ) -> Verdict {
        let name = (key.project.index, hash);
        if self.wrong().contains(&name, clock.now()) {
            return Verdict::Wrong;
        }
        let _gate = key.gate.acquire().await;
        if key.knows(&hash) {
            return Verdict::Right(Arc::clone(&key.project));
        }
        if self.wrong().contains(&name, clock.now()) {
            return Verdict::Wrong;
        }
        let Ok(permit) = Arc::clone(&self.comparisons).acquire_owned().await else {
            return Verdict::Busy;
        };
        let (bcrypt, secret) = (Arc::clone(bcrypt), Secret::new(secret));
        let compared = tokio::task::spawn_blocking(move || {
            // Held until the comparison ends, also when nobody waits for it any more.
            let _permit = permit;
            bcrypt::verify(secret.reveal(), bcrypt.reveal())
        });
        match compared.await {
            Ok(Ok(true)) => {
                *key.fast.write().unwrap_or_else(PoisonError::into_inner) = Some(hash);
                Verdict::Right(Arc::clone(&key.project))
            }
            Ok(Ok(false)) => {
                let wrong_for = i64::try_from(patience.wrong_for.as_millis()).unwrap_or(i64::MAX);
                self.wrong().insert(name, clock.now().plus(wrong_for));
                Verdict::Wrong
            }
            Ok(Err(_)) | Err(_) => Verdict::Busy,
        }
    }

    fn wrong(&self) -> std::sync::MutexGuard<'_, Wrong> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} of {} projects)", self.keys.len(), self.projects.len())
    }
}

impl Key {
    fn knows(&self, hash: &Hash) -> bool {
        let fast = self.fast.read().unwrap_or_else(PoisonError::into_inner);
        fast.as_ref().is_some_and(|fast| bool::from(fast.ct_eq(hash)))
    }
}

fn project(projects: &mut Vec<Arc<Project>>, config: &KeyConfig) -> Result<Arc<Project>, Error> {
    if let Some(known) = projects.iter().find(|project| project.id == config.project_id) {
        return if known.name == config.project_name && known.organisation == config.organisation {
            Ok(Arc::clone(known))
        } else {
            Err(Error::Project(config.project_id.to_string()))
        };
    }
    let project = Arc::new(Project {
        id: config.project_id.clone(),
        name: config.project_name.clone(),
        organisation: config.organisation.clone(),
        index: projects.len(),
    });
    projects.push(Arc::clone(&project));
    Ok(project)
}

fn key(project: Arc<Project>, config: KeyConfig) -> Result<Key, Error> {
    let fault = |why| Error::Hash {
        public_key: config.public_key.to_string(),
        why,
    };
    let (fast, bcrypt) = match config.secret {
        SecretForm::Fast(hex) => {
            let hash = hashes::unhex(hex.reveal()).ok_or_else(|| fault("a fast hash is 64 hexadecimal digits"))?;
            (Some(hash), None)
        }
        SecretForm::Bcrypt(hash) => {
            let parts = hash.reveal().parse::<bcrypt::HashParts>();
            if !parts.is_ok_and(|parts| (4..=16).contains(&parts.get_cost())) {
                return Err(fault("a bcrypt hash is `$2b$`, a cost of 04 to 16, and 53 characters"));
            }
            (None, Some(Arc::new(hash)))
        }
    };
    Ok(Key {
        project,
        fast: RwLock::new(fast),
        bcrypt,
        gate: Semaphore::new(1),
    })
}

/// Secrets that were wrong, the oldest forgotten first.
#[derive(Default)]
struct Wrong {
    until: HashMap<(usize, Hash), Millis>,
    order: VecDeque<(usize, Hash)>,
}

impl Wrong {
    fn contains(&self, name: &(usize, Hash), now: Millis) -> bool {
        self.until.get(name).is_some_and(|until| now < *until)
    }

    fn insert(&mut self, name: (usize, Hash), until: Millis) {
        if self.until.insert(name, until).is_none() {
            self.order.push_back(name);
        }
        while self.order.len() > WRONG {
            if let Some(oldest) = self.order.pop_front() {
                self.until.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(public_key: &str, project: &str, secret: SecretForm) -> KeyConfig {
        KeyConfig {
            project_id: project.into(),
            project_name: "Project".into(),
            organisation: Organisation {
                id: "org".into(),
                name: "Org".into(),
            },
            public_key: public_key.into(),
            secret,
        }
    }

    #[test]
    fn faults_of_the_configuration() {
        let salt = Secret::new("salt");
        let fast = || SecretForm::Fast(Secret::new(hashes::fast_hash(&Secret::new("sk"), &salt)));
        let error = |configs| Keys::new(configs, &salt, 1).map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(error(vec![config("a", "p", fast()), config("b", "p", fast())]), Ok(()));
        for (configs, part) in [
            (
                vec![config("a", "p", fast()), config("a", "p", fast())],
                "configured twice",
            ),
            (vec![config("a:b", "p", fast())], "must not"),
            (
                vec![config("a", "p", SecretForm::Fast(Secret::new("12")))],
                "64 hexadecimal",
            ),
            (
                vec![config("a", "p", SecretForm::Bcrypt(Secret::new("$2b$99$x")))],
                "bcrypt",
            ),
        ] {
            let text = error(configs).expect_err(part);
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn wrong_secrets_are_forgotten() {
        let mut wrong = Wrong::default();
        for n in 0..=WRONG {
            wrong.insert((n, [0; 32]), Millis(10));
        }
        assert_eq!((wrong.until.len(), wrong.order.len()), (WRONG, WRONG));
        assert!(!wrong.contains(&(0, [0; 32]), Millis(5)), "the oldest is gone");
        assert!(wrong.contains(&(1, [0; 32]), Millis(5)));
        assert!(!wrong.contains(&(1, [0; 32]), Millis(10)), "and each in time");
    }
}
