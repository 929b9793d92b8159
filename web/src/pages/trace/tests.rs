use super::*;

fn step(id: &str, parent: Option<&str>, start: i64, end: Option<i64>) -> StepRow {
    StepRow {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        r#type: "SPAN".to_owned(),
        name: format!("step {id}"),
        level: "DEFAULT".to_owned(),
        start,
        end,
        model: None,
        input_tokens: 0,
        output_tokens: 0,
        total_tokens: 0,
        cost: None,
    }
}

fn page(steps: &[StepRow], trace: &str) -> TracePage {
    let extent = Extent::of(steps.iter().map(|step| (step.start, step.end))).expect("steps");
    TracePage {
        frame: Frame::bare("x"),
        id: trace.to_owned(),
        name: "a trace".to_owned(),
        base: links::trace("p", trace),
        facts: Vec::new(),
        tags: Vec::new(),
        figures: figures(steps, extent),
        scores: Vec::new(),
        rows: rows(trace, steps, &[], extent),
        ticks: Vec::new(),
        length: String::new(),
        width: WIDTH,
        is_cut: false,
        steps: steps.len().to_string(),
    }
}

#[test]
fn what_is_opened_is_closed_after_its_last_step() {
    let steps = vec![
        step("a", None, 0, Some(10)),
        step("b", Some("a"), 1, Some(5)),
        step("c", Some("b"), 2, Some(3)),
        step("d", None, 20, None),
    ];
    let rows = rows("t", &steps, &[], Extent { from: 0, to: 20 });
    let told: Vec<_> = rows.iter().map(|row| (row.opens, row.closes, row.indent)).collect();
    assert_eq!(told, [(true, 0, 0), (true, 0, 1), (false, 2, 2), (false, 0, 0)]);
    let deep: Vec<StepRow> = (0..500)
        .map(|n: i64| step(&n.to_string(), (n > 0).then(|| (n - 1).to_string()).as_deref(), n, None))
        .collect();
    let html = page(&deep, "t").render().expect("a page");
    let count = |part: &str| html.matches(part).count();
    assert_eq!(count("<details open"), DEEPEST_FOLD);
    assert_eq!(count("<details"), count("</details>"));
    assert_eq!(count("class=\"row leaf"), 500 - DEEPEST_FOLD);
}

#[test]
fn what_users_sent_is_text() {
    let hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}</title></textarea>";
    let mut one = step(hostile, Some(hostile), 0, None);
    one.name = hostile.to_owned();
    one.model = Some(hostile.to_owned());
    one.r#type = hostile.to_owned();
    one.level = hostile.to_owned();
    let mut page = page(&[one], hostile);
    page.name = hostile.to_owned();
    page.frame = Frame::bare(hostile);
    page.tags = vec![(links::traces_with("p", "tags", hostile), hostile.to_owned())];
    page.facts = facts([Fact::linked("User", hostile, links::traces_with("p", "user", hostile))]);
    page.scores = vec![Score {
        name: hostile.to_owned(),
        value: hostile.to_owned(),
        source: hostile.to_owned(),
        comment: hostile.to_owned(),
    }];
    let html = page.render().expect("a page");
    for part in ["<script>", "<img", "</textarea", "onerror=alert(1)>", "javascript:"] {
        assert!(!html.contains(part), "{part}: {html}");
    }
    assert_eq!(html.matches("</title>").count(), 1, "{html}");
    assert!(html.contains("&#60;script&#62;"), "{html}");
}

#[test]
fn figures_add_up() {
    let mut one = step("a", None, 0, Some(1_500));
    (one.cost, one.input_tokens, one.output_tokens, one.total_tokens) = (Some("0.25".to_owned()), 10, 5, 15);
    one.level = "ERROR".to_owned();
    let two = StepRow {
        id: "b".to_owned(),
        ..one.clone()
    };
    let told: Vec<String> = figures(&[one, two], Extent { from: 0, to: 1_500 })
        .into_iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    assert_eq!(
        told,
        [
            "Latency 1.50 s",
            "Cost $0.50",
            "Tokens 30 (20 in, 10 out)",
            "Steps 2",
            "Errors 2"
        ]
    );
}

/// Prints how long the page of a trace of 5,000 steps takes, and that its size grows as the steps do.
#[test]
fn a_page_is_as_long_as_its_steps() {
    let steps = |n: i64| -> Vec<StepRow> {
        let parent = |at: i64| (at > 0).then(|| ((at - 1) / 7).to_string());
        (0..n)
            .map(|at| step(&at.to_string(), parent(at).as_deref(), at, Some(at + 50)))
            .collect()
    };
    let began = std::time::Instant::now();
    let long = page(&steps(5_000), "t").render().expect("a page").len();
    println!("5,000 steps: {long} bytes of HTML in {:?}", began.elapsed());
    let short = page(&steps(500), "t").render().expect("a page").len();
    assert!(long < 11 * short, "{long} {short}");
}
