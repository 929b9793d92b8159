//! Migrations on an empty server, on a migrated one, and on one that differs.

use tracemill_model::table::TABLES;
use tracemill_warehouse::migrate::{check, script};
use tracemill_warehouse::{MigrateOptions, ServiceKind, migrate};

use crate::support::{Engine, sql};

#[tokio::test]
async fn an_empty_server_is_migrated_once() {
    let engine = Engine::start().await;
    let service = engine.service(ServiceKind::ReadWrite, |_| {});
    let options = MigrateOptions::default();
    let dry = migrate(
        &service,
        &MigrateOptions {
            dry_run: true,
            ..options.clone()
        },
    )
    .await
    .expect("a dry run");
    assert_eq!((dry.created.len(), dry.findings.len()), (4, 4));
    let first = migrate(&service, &options).await.expect("migrated");
    assert_eq!((first.from, first.to, first.created.len()), (0, 2, 4));
    assert_eq!(first.findings, [], "what we make is what we compare with");
    let second = migrate(&service, &options).await.expect("migrated again");
    assert_eq!((second.from, second.to, second.adopted.len()), (2, 2, 4));
    assert_eq!(second.findings, []);
    // Every exported column can be read by the export's user.
    let export = engine.service(ServiceKind::Export, |_| {});
    for table in TABLES {
        let text = format!("SELECT {} FROM {table}", table.export_columns().join(", "));
        export.execute(&sql(&text)).await.expect("readable");
    }
}

#[tokio::test]
async fn a_foreign_table_is_adopted_and_its_differences_named() {
    let engine = Engine::start().await;
    let service = engine.admin();
    service
        .execute(&sql(
            "CREATE TABLE scores (id String, project_id String, timestamp DateTime64(3), value Float32, own JSON) \
                       ENGINE = MergeTree ORDER BY id",
        ))
        .await
        .expect("a foreign table");
    let report = migrate(&service, &MigrateOptions::default()).await.expect("migrated");
    assert_eq!(report.adopted, ["scores"]);
    assert!(!report.is_usable());
    let texts: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    for expected in [
        "column `scores.value` is Float32: it should be Float64",
        "column `scores.name` is missing: it should be String",
        "table `scores` has the engine MergeTree: it should be a ReplacingMergeTree",
        "table `scores` is sorted by (id): it should be (project_id, toDate(timestamp), name, id)",
    ] {
        assert!(texts.iter().any(|text| text == expected), "{expected} in {texts:?}");
    }
    assert!(
        report.findings.iter().all(|finding| finding.table() == "scores"),
        "{texts:?}"
    );
    assert_eq!(check(&service).await.expect("checked"), report.findings);
    let columns = sql("SELECT count() FROM system.columns WHERE database = currentDatabase() AND table = 'scores'");
    assert_eq!(
        service.one::<u64>(&columns).await.expect("a count"),
        5,
        "nothing was altered"
    );
}

#[tokio::test]
async fn the_form_for_a_cluster_is_sql() {
    let engine = Engine::start().await;
    let service = engine.admin();
    let options = MigrateOptions {
        cluster: Some("main".to_owned()),
        replicated: true,
        dry_run: false,
    };
    for statement in script(&options) {
        let parse = sql("SELECT formatQuery({sql:String})").param("sql", statement.as_str());
        let formatted = service.one::<String>(&parse).await.expect("it parses");
        assert!(formatted.contains("ON CLUSTER main"), "{formatted}");
    }
}
