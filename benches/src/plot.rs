//! Plots as SVG: a few charts below each other, readable on light and on dark pages.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;
const COLOURS: [&str; 7] = [
    "#2f6fb3", "#c2452d", "#c98a12", "#7a4fa3", "#2b8a57", "#777777", "#c2527f",
];

/// How the points of a series are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Joined by lines.
    Line,
    /// Each holds until the next.
    Steps,
    /// By themselves.
    Dots,
}

/// Points that belong together.
#[derive(Debug, Clone)]
pub struct Series {
    /// What they are, for the legend.
    pub name: String,
    /// How they are drawn.
    pub style: Style,
    /// Which of the colours.
    pub colour: usize,
    /// `(x, y)`.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What x is, with its unit.
    pub x: String,
    /// What y is, with its unit.
    pub y: String,
    /// Height in pixels.
    pub height: f64,
    /// Whether y is drawn by its logarithm.
    pub is_log: bool,
    /// Least and most of y; without them, those of the points.
    pub range: Option<(f64, f64)>,
    /// Places of x with a name of their own; without them, round numbers.
    pub ticks: Vec<(f64, String)>,
    /// Spans of x that are shaded.
    pub shaded: Vec<(f64, f64)>,
    /// What is drawn.
    pub series: Vec<Series>,
}

/// The charts below each other.
#[must_use]
pub fn page(charts: &[Chart]) -> String {
    let height: f64 = charts.iter().map(|chart| chart.height).sum();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut top = 0.0;
    for chart in charts {
        let _ = writeln!(out, "<g transform=\"translate(0 {top})\">");
        chart.draw(&mut out);
        out.push_str("</g>\n");
        top += chart.height;
    }
    out.push_str("</svg>\n");
    out
}

/// From values to pixels.
struct Scale {
    from: (f64, f64),
    to: (f64, f64),
    is_log: bool,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let place = |value: f64| if self.is_log { value.max(1e-9).ln() } else { value };
        let (low, high) = (place(self.from.0), place(self.from.1));
        let share = if high > low {
            (place(value) - low) / (high - low)
        } else {
            0.5
        };
        self.to.0 + share.clamp(0.0, 1.0) * (self.to.1 - self.to.0)
    }

    /// Round numbers, or powers of ten.
    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.from;
        if self.is_log {
            let first = low.max(1e-9).log10().floor() as i32;
            let powers = (first..first + 12).map(|power| 10_f64.powi(power));
            return powers.filter(|value| (low..=high).contains(value)).collect();
        }
        let rough = (high - low).max(1e-9) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|times| times * power)
            .find(|step| *step >= rough);
        let step = step.unwrap_or(power);
        let first = (low / step).ceil();
        (0..12)
            .map(|at| (first + f64::from(at)) * step)
            .take_while(|value| *value <= high)
            .collect()
    }
}

impl Chart {
    fn draw(&self, out: &mut String) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let span = |of: fn(&(f64, f64)) -> f64| {
            points().map(of).fold((f64::MAX, f64::MIN), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let right = WIDTH - RIGHT;
        let x = Scale {
            from: span(|point| point.0),
            to: (LEFT, right),
            is_log: false,
        };
        let y = Scale {
            from: self.range.unwrap_or_else(|| span(|point| point.1)),
            to: (self.height - BOTTOM, TOP),
            is_log: self.is_log,
        };
        for (from, to) in &self.shaded {
            let (from, to) = (x.at(*from), x.at(*to));
            let _ = writeln!(
                out,
                "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f3e3b8\"/>",
                to - from,
                self.height - BOTTOM - TOP
            );
        }
        self.axes(out, &x, &y);
        for (place, series) in self.series.iter().enumerate() {
            series.draw(out, &x, &y);
            let top = TOP + 14.0 * place as f64 + 6.0;
            let colour = COLOURS[series.colour % COLOURS.len()];
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{top:.1}\" r=\"4\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\" fill=\"#222\">{}</text>",
                right + 14.0,
                right + 24.0,
                top + 4.0,
                escaped(&series.name)
            );
        }
    }

    fn axes(&self, out: &mut String, x: &Scale, y: &Scale) {
        let (bottom, right) = (self.height - BOTTOM, WIDTH - RIGHT);
        let mut text = |at: (f64, f64), anchor: &str, weight: &str, text: &str| {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\" fill=\"#222\">{}</text>",
                at.0,
                at.1,
                escaped(text)
            );
        };
        text((LEFT, TOP - 16.0), "start", "bold", &self.title);
        text((LEFT, TOP - 3.0), "start", "normal", &self.y);
        text((right, bottom + 32.0), "end", "normal", &self.x);
        let named: Vec<(f64, String)> = if self.ticks.is_empty() {
            x.ticks().into_iter().map(|value| (value, number(value))).collect()
        } else {
            self.ticks.clone()
        };
        for (value, name) in &named {
            text((x.at(*value), bottom + 16.0), "middle", "normal", name);
        }
        for value in y.ticks() {
            text((LEFT - 8.0, y.at(value) + 4.0), "end", "normal", &number(value));
        }
        for value in y.ticks() {
            let at = y.at(value);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>"
            );
        }
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{bottom:.1}\" y2=\"{bottom:.1}\" stroke=\"#555555\"/>"
        );
    }
}

impl Series {
    fn draw(&self, out: &mut String, x: &Scale, y: &Scale) {
        let colour = COLOURS[self.colour % COLOURS.len()];
        if self.style == Style::Dots {
            for (at, value) in &self.points {
                let (at, value) = (x.at(*at), y.at(*value));
                let _ = writeln!(
                    out,
                    "<circle cx=\"{at:.1}\" cy=\"{value:.1}\" r=\"1.8\" fill=\"{colour}\" fill-opacity=\"0.6\"/>"
                );
            }
            return;
        }
        let mut path = String::new();
        let mut before = None;
        for (at, value) in &self.points {
            let (at, value) = (x.at(*at), y.at(*value));
            match before {
                None => write!(path, "M{at:.1} {value:.1}"),
                Some(last) if self.style == Style::Steps => write!(path, "L{at:.1} {last:.1}L{at:.1} {value:.1}"),
                Some(_) => write!(path, "L{at:.1} {value:.1}"),
            }
            .unwrap_or_default();
            before = Some(value);
        }
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>"
        );
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_ticks_within_their_ends() {
        let linear = Scale {
            from: (0.0, 60.0),
            to: (0.0, 600.0),
            is_log: false,
        };
        assert_eq!(linear.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert!((linear.at(30.0) - 300.0).abs() < 1e-9);
        let log = Scale {
            from: (5.0, 2_000.0),
            to: (0.0, 1.0),
            is_log: true,
        };
        assert_eq!(log.ticks(), [10.0, 100.0, 1_000.0]);
        assert!((log.at(100.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_page_holds_every_point_and_no_markup_of_others() {
        let chart = Chart {
            title: "a < b".to_owned(),
            height: 200.0,
            series: vec![Series {
                name: "one".to_owned(),
                style: Style::Dots,
                colour: 0,
                points: vec![(0.0, 1.0), (1.0, 2.0)],
            }],
            ..Chart::default()
        };
        let svg = page(&[chart]);
        assert!(
            svg.contains("a &lt; b") && svg.matches("r=\"1.8\"").count() == 2,
            "{svg}"
        );
    }
}
