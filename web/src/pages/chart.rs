//! Small charts: bars by day, one series on another. Pure; drawn as SVG without a style of their own.

/// The width of a chart, in units of its own.
pub(super) const WIDTH: f64 = 640.0;
/// Its height.
pub(super) const HEIGHT: f64 = 140.0;
/// Where bars end and labels begin.
const BASE: f64 = 118.0;
/// Room above the tallest bar.
const TOP: f64 = 8.0;
/// Room for the labels of values at the left.
const LEFT: f64 = 66.0;
/// Bars are at most that wide.
const WIDEST: f64 = 36.0;

/// One series: a value for each place of the chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

/// A chart ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) lines: Vec<Line>,
    /// The series' names, in the order of their colours.
    pub(super) legend: Vec<String>,
    pub(super) is_empty: bool,
}

/// Everything of one day.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// The day.
    pub(super) label: String,
    /// Whether there is room for its label below.
    pub(super) is_labelled: bool,
    /// The middle of the column.
    pub(super) middle: f64,
    pub(super) bars: Vec<Rect>,
    /// The whole column, for what shows when a pointer is over it.
    pub(super) hit: Rect,
    /// `2026-02-25: gpt $1.20, other $3`.
    pub(super) tells: String,
}

/// A rectangle, with the place of its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) series: usize,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A line across, with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) y: f64,
    pub(super) label: String,
}

/// How the values of a chart's series are put beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stacking {
    /// On one another: parts of a whole.
    Stacked,
    /// In front of one another, the smallest in front: a median within a maximum.
    Nested,
}

/// A chart of days. `show` writes a value with its unit.
pub(super) fn chart(
    title: &'static str,
    labels: &[String],
    series: &[Series],
    stacking: Stacking,
    show: impl Fn(f64) -> String,
) -> Chart {
    let value = |one: &Series, at: usize| {
        one.values
            .get(at)
            .copied()
            .filter(|v| v.is_finite())
            .unwrap_or(0.0)
            .max(0.0)
    };
    let tallest = |at: usize| match stacking {
        Stacking::Stacked => series.iter().map(|one| value(one, at)).sum::<f64>(),
        Stacking::Nested => series.iter().map(|one| value(one, at)).fold(0.0, f64::max),
    };
    let most = (0..labels.len()).map(tallest).fold(0.0, f64::max);
    let top = ceiling(most);
    let step = (WIDTH - LEFT) / labels.len().max(1) as f64;
    let width = (step * 0.72).min(WIDEST);
    let every = labels.len().div_ceil(8).max(1);
    let column = |(at, label): (usize, &String)| {
        let middle = LEFT + step * (at as f64 + 0.5);
        let mut bars = Vec::new();
        let mut below = 0.0;
        for (place, one) in series.iter().enumerate() {
            let height = value(one, at) / top * (BASE - TOP);
            let from = if stacking == Stacking::Stacked { below } else { 0.0 };
            if height > 0.0 {
                let x = round(middle - width / 2.0);
                bars.push(Rect {
                    series: place,
                    x,
                    y: round(BASE - from - height),
                    width: round(width),
                    height: round(height),
                });
            }
            below += height;
        }
        let told = series.iter().enumerate().filter(|(_, one)| value(one, at) > 0.0);
        let told: Vec<String> = told
            .map(|(_, one)| format!("{} {}", one.name, show(value(one, at))))
            .collect();
        let told = if told.is_empty() {
            "none".to_owned()
        } else {
            told.join(", ")
        };
        Column {
            is_labelled: (labels.len() - 1 - at).is_multiple_of(every),
            middle: round(middle),
            hit: Rect {
                series: 0,
                x: round(middle - step / 2.0),
                y: 0.0,
                width: round(step),
                height: BASE,
            },
            tells: format!("{label}: {told}"),
            label: label.get(5..).unwrap_or(label).to_owned(),
            bars,
        }
    };
    let line = |part: f64| Line {
        y: round(BASE - part * (BASE - TOP)),
        label: show(top * part),
    };
    Chart {
        title,
        columns: labels.iter().enumerate().map(column).collect(),
        lines: [0.0, 0.5, 1.0].map(line).to_vec(),
        legend: series.iter().map(|one| one.name.clone()).collect(),
        is_empty: most <= 0.0,
    }
}

/// One decimal is enough for a screen.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The next of 1, 2, 5, 10, 20, ... that is not less.
fn ceiling(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    // A hair above, so that a round value is its own ceiling.
    let fits = |step: &f64| step * power * (1.0 + 1e-9) >= most;
    steps.into_iter().find(fits).unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: &[f64]) -> Series {
        Series {
            name: name.to_owned(),
            values: values.to_vec(),
        }
    }

    fn days(n: usize) -> Vec<String> {
        (1..=n).map(|day| format!("2026-02-{day:02}")).collect()
    }

    #[test]
    fn bars_stand_on_one_another_within_the_chart() {
        let all = [series("a", &[1.0, 0.0]), series("b", &[3.0, f64::NAN])];
        let chart = chart("Cost", &days(2), &all, Stacking::Stacked, |value| format!("${value}"));
        let [first, second] = &chart.columns[..] else {
            panic!("two days")
        };
        let [a, b] = first.bars[..] else { panic!("two bars") };
        assert!(
            (a.y + a.height - BASE).abs() < 0.2 && (b.y + b.height - a.y).abs() < 0.2,
            "{a:?} {b:?}"
        );
        assert!((b.y - TOP).abs() < 0.2, "the tallest reaches the top: {b:?}");
        assert!(second.bars.is_empty());
        assert_eq!(first.tells, "2026-02-01: a $1, b $3");
        assert_eq!(second.tells, "2026-02-02: none");
        assert_eq!(
            chart.lines.iter().map(|line| line.label.as_str()).collect::<Vec<_>>(),
            ["$0", "$2", "$4"]
        );
    }

    #[test]
    fn nested_bars_all_stand_on_the_base() {
        let all = [series("p95", &[8.0]), series("p50", &[2.0])];
        let chart = chart("Latency", &days(1), &all, Stacking::Nested, |value| value.to_string());
        for bar in &chart.columns[0].bars {
            assert!((bar.y + bar.height - BASE).abs() < 0.2);
        }
    }

    #[test]
    fn labels_have_room_and_nothing_is_a_chart_too() {
        let chart_of = |n| chart("x", &days(n), &[], Stacking::Stacked, |_| String::new());
        for n in [0, 1, 7, 30, 90] {
            let chart = chart_of(n);
            assert!(chart.is_empty);
            assert!(chart.columns.iter().filter(|column| column.is_labelled).count() <= 8);
        }
        for (most, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.01, 2.0),
            (43.0, 50.0),
            (0.0007, 0.0008),
            (9.5e6, 1e7),
        ] {
            assert!((ceiling(most) / top - 1.0).abs() < 1e-6, "{most}: {}", ceiling(most));
        }
    }
}
