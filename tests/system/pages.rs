//! The pages for people, in Chromium: all of them, on what clients sent, as an operator and as a project.

use std::process::Command;

use serde_json::Value;
use tracemill_tests::graph::hourly_export;
use tracemill_tests::ingestion::{PROJECT, PUBLIC_KEY, SECRET_KEY};
use tracemill_tests::ledger::{service, test_file};
use tracemill_tests::{Running, Site, http};

const PASSWORD: &str = "correct horse battery";

fn site() -> Site {
    let site = Site::new();
    let lake = site.scratch.join("lake");
    let more = format!(
        r#"
        [web]
        password = "{PASSWORD}"
        [store.lake]
        url = "{lake}"
        {export}
        "#,
        lake = lake.display(),
        export = hourly_export(r#"projects = ["demo", "other"]"#),
    );
    site.with(&more)
}

#[test]
fn people_find_and_read_everything_in_a_browser() {
    let site = site();
    let running: Running = site.run();
    let shots = test_file("../target/pages");
    let output = Command::new("node")
        .arg(test_file("browser/pages.mjs"))
        .env("SITE", site.url())
        .env("PROJECT", PROJECT)
        .env("KEY", format!("{PUBLIC_KEY}:{SECRET_KEY}"))
        .env("OTHER_KEY", "pk-lf-other:sk-lf-other")
        .env("PASSWORD", PASSWORD)
        .env("MODULES", service("browser"))
        .env("CHROMIUM", service("chromium/bin/chromium"))
        .env("SHOTS", &shots)
        .output()
        .expect("node can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let log = running.stderr();
    let failed: Vec<&str> = log.lines().filter(|line| line.contains("read_")).take(3).collect();
    assert!(output.status.success(), "{}\n{failed:#?}", text(&output.stderr));
    println!("a long trace: {}", text(&output.stdout));
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(figures["steps"], 5_000);
    let _ = Site::stop(running);
}

#[test]
fn forms_are_ours_attempts_are_few_and_cookies_are_kept_from_scripts() {
    let site = site();
    let running = site.run();
    let origin = "Origin: http://127.0.0.1\r\n";
    let post = |path: &str, headers: &str, body: &str| {
        let headers = format!("{headers}Content-Type: application/x-www-form-urlencoded\r\n");
        http::exchange(site.port(), "POST", path, &headers, body.as_bytes()).expect("an answer")
    };
    let right = format!("password={}", PASSWORD.replace(' ', "+"));
    // Not a form of ours.
    for headers in ["", "Origin: https://evil.example\r\n", "Origin: null\r\n"] {
        let answer = post("/sign-in", headers, &right);
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{headers}");
    }
    let entered = post("/sign-in", origin, &right);
    assert_eq!((entered.status, entered.header("location")), (303, Some("/")));
    let cookie = entered.header("set-cookie").expect("a cookie");
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let left = post("/sign-out", origin, "");
    assert!(
        left.header("set-cookie")
            .is_some_and(|cookie| cookie.contains("Max-Age=0"))
    );
    assert_eq!(post("/sign-out", "Origin: https://evil.example\r\n", "").status, 403);
    let away = post("/sign-in", origin, &format!("{right}&next=//evil.example"));
    assert_eq!(away.header("location"), Some("/"));

    // Pages tell browsers to run nothing of others, and are for nobody else's page.
    let headers = "Origin: https://evil.example\r\n";
    let page = http::exchange(site.port(), "GET", "/sign-in", headers, b"").expect("an answer");
    assert_eq!(page.header("access-control-allow-origin"), None);
    for (name, part) in [
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert!(
            page.header(name).is_some_and(|value| value.contains(part)),
            "{name}: {}",
            page.head
        );
    }
    for path in [
        "/",
        "/operations",
        "/project/demo/traces",
        "/project/nobody/traces",
        "/trace/x",
    ] {
        let answer = http::exchange(site.port(), "GET", path, "", b"").expect("an answer");
        assert_eq!(answer.status, 303, "{path} without a session");
        assert!(
            answer.header("location").is_some_and(|to| to.starts_with("/sign-in")),
            "{path}"
        );
    }

    // Guessing becomes slow, for the right password as well.
    let answers: Vec<u16> = (0..8)
        .map(|_| post("/sign-in", origin, "password=wrong").status)
        .collect();
    assert_eq!(answers[0], 401);
    assert_eq!(answers[7], 429, "{answers:?}");
    assert_eq!(post("/sign-in", origin, &right).status, 429);
    let _ = Site::stop(running);
}
