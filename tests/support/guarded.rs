//! A site whose three services are three users, with the profiles that `tracemill profiles` writes for its graph file.

use std::path::PathBuf;

use crate::engine::Engine;
use crate::graph::hourly_export;
use crate::http;
use crate::site::Site;

/// What the users may take: less than a query that forgets its limits would.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Memory of the machine that the profiles are written for.
    pub memory: &'static str,
    /// `max_server_memory_usage`, where it is not the engine's own choice.
    pub server: Option<u64>,
    /// `max_memory_usage` of the services read_only, read_write and export.
    pub queries: [&'static str; 3],
}

/// A machine with room for all.
impl Default for Sizes {
    fn default() -> Self {
        Self {
            memory: "8 GB",
            server: None,
            queries: ["500 MB", "400 MB", "600 MB"],
        }
    }
}

/// The users of the services read_only, read_write and export; each one's password is its name and `-pw`.
pub const USERS: [&str; 3] = ["reader", "writer", "exporter"];

/// Such a site. Its tables are made by its own user.
#[derive(Debug)]
pub struct Guarded {
    /// Everything else.
    pub site: Site,
    sizes: Sizes,
}

impl Guarded {
    /// Starts a ClickHouse without tables, with the users that the command writes, and migrates.
    ///
    /// # Panics
    /// Any of it fails.
    #[must_use]
    pub fn new(sizes: Sizes) -> Self {
        let site = Site::new();
        let address = |user: &str| {
            site.engine
                .url()
                .replace("http://", &format!("http://{user}:{user}-pw@"))
        };
        let [reader, writer, exporter] = USERS.map(address);
        let [reads, writes, exports] = sizes.queries;
        let lake = site.scratch.join("lake");
        let more = format!(
            r#"
            [clickhouse.read_only]
            url = "{reader}"
            max_memory_usage = "{reads}"
            max_threads = 2
            timeout = "25 s"
            [clickhouse.export]
            url = "{exporter}"
            max_memory_usage = "{exports}"
            max_threads = 1
            timeout = "2 min"
            [store.lake]
            url = "{lake}"
            {export}
            "#,
            lake = lake.display(),
            export = hourly_export(""),
        );
        let keys = format!("max_memory_usage = \"{writes}\"\nmax_threads = 1");
        let site = site.at(&writer).limited(&keys).with(&more);
        let mut guarded = Self { site, sizes };
        for table in [
            "traces",
            "observations",
            "scores",
            "blob_storage_file_log",
            "tracemill_tombstones",
            "tracemill_migrations",
        ] {
            guarded.engine().execute(&format!("DROP TABLE {table} SYNC"));
        }
        guarded.write_users();
        guarded.restart();
        guarded
            .site
            .tracemill
            .ok(["migrate".as_ref(), guarded.site.graph().as_os_str()]);
        guarded
    }

    /// Its ClickHouse.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.site.engine
    }

    /// The file of its users.
    #[must_use]
    pub fn users_file(&self) -> PathBuf {
        self.site.scratch.join("clickhouse/users.d/tracemill.xml")
    }

    /// Has the command write the users into the server's folder.
    fn write_users(&self) {
        let folder = self.site.scratch.join("clickhouse");
        let make = |name: &str| std::fs::create_dir_all(folder.join(name)).expect("a folder");
        make("users.d");
        make("config.d");
        if let Some(bytes) = self.sizes.server {
            let text = format!("<clickhouse><max_server_memory_usage>{bytes}</max_server_memory_usage></clickhouse>");
            std::fs::write(folder.join("config.d/memory.xml"), text).expect("written");
        }
        // Users of these names that another file has already, as of the fork, are replaced whole: were they merged, there would be two
        // passwords, and the server would not start.
        let [reader, ..] = USERS;
        let before = format!(
            "<clickhouse><users><{reader}><password>other</password><networks><ip>::1</ip></networks><profile>{reader}</profile></{reader}></users>\
             <profiles><{reader}><max_threads>1</max_threads><readonly>1</readonly></{reader}></profiles></clickhouse>"
        );
        std::fs::write(folder.join("users.d/before.xml"), before).expect("written");
        let args = [
            "--memory",
            self.sizes.memory,
            "--threads",
            "8",
            "--network",
            "127.0.0.1",
        ];
        let (graph, users) = (self.site.graph(), self.users_file());
        let args = args.map(AsRef::as_ref);
        let output = ["--output".as_ref(), users.as_os_str()];
        let all = ["profiles".as_ref(), graph.as_os_str()]
            .into_iter()
            .chain(args)
            .chain(output);
        self.site.tracemill.ok(all);
    }

    /// Stops the server and starts it again, with the files that are there now.
    fn restart(&mut self) {
        self.site.engine.stop();
        self.site.engine.restart();
    }

    /// Changes the file of the users, and starts the server again: the embedded one reads it at its start alone.
    ///
    /// # Panics
    /// The change changes nothing, or the server does not start with it.
    pub fn change_users(&mut self, change: impl FnOnce(&str) -> String) {
        let file = self.users_file();
        let before = std::fs::read_to_string(&file).expect("the file is there");
        let after = change(&before);
        assert!(before != after, "nothing was changed in:\n{before}");
        std::fs::write(&file, after).expect("written");
        self.restart();
    }

    /// Asks as one of the users, as a client of its own would: the answer, or the server's error.
    ///
    /// # Errors
    /// The server refuses.
    ///
    /// # Panics
    /// It does not answer.
    pub fn ask(&self, user: &str, settings: &str, sql: &str) -> Result<String, String> {
        let headers = format!("X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {user}-pw\r\n");
        let path = format!("/?{settings}");
        let (status, body) =
            http::request(self.engine().port(), "POST", &path, &headers, sql.as_bytes()).expect("an answer");
        let text = String::from_utf8_lossy(&body).into_owned();
        // An error may come after the answer has begun.
        if status == 200 && !text.contains("DB::Exception") {
            Ok(text)
        } else {
            Err(text)
        }
    }
}
