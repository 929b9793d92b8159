//! Numbers, money and times as people read them. Pure.

use rust_decimal::Decimal;
use tracemill_model::Millis;

/// `1,234,567`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `950`, `12.3k`, `4.5M`: for narrow places.
pub(super) fn short(n: u64) -> String {
    let scaled = |by: f64, unit: &str| {
        let value = n as f64 / by;
        match value < 99.95 {
            true => format!("{value:.1}{unit}").replace(&format!(".0{unit}"), unit),
            false => format!("{value:.0}{unit}"),
        }
    };
    match n {
        0..1_000 => n.to_string(),
        1_000..999_500 => scaled(1e3, "k"),
        999_500..999_500_000 => scaled(1e6, "M"),
        _ => scaled(1e9, "G"),
    }
}

/// US dollars with as many digits as tell something: `$12.30`, `$0.0042`, `$0.000012`.
pub(super) fn cost(amount: Decimal) -> String {
    if amount.is_zero() {
        return "$0".to_owned();
    }
    let is_large = amount.abs() >= Decimal::ONE;
    let mut rounded = match is_large {
        true => amount.round_dp(2),
        false => amount.round_sf(2).unwrap_or(amount).normalize(),
    };
    if is_large || rounded.scale() < 2 {
        rounded.rescale(2);
    }
    format!("${rounded}")
}

/// The same of a decimal number as ClickHouse prints it; nothing of what is none.
pub(super) fn cost_text(text: Option<&str>) -> String {
    let amount = text.and_then(|text| text.parse::<Decimal>().ok());
    amount.map(cost).unwrap_or_default()
}

/// `840 ms`, `1.24 s`, `2 m 05 s`, `3 h 12 m`, `2 d 4 h`.
pub(super) fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let (s, m, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.2} s", ms as f64 / 1_000.0),
        60_000..3_600_000 => format!("{m} m {:02} s", s % 60),
        3_600_000..86_400_000 => format!("{h} h {:02} m", m % 60),
        _ => format!("{} d {} h", h / 24, h % 24),
    }
}

/// `2026-02-25 12:15:00`, UTC.
pub(super) fn time(ms: i64) -> String {
    let text = Millis(ms).to_string();
    match text.get(..19) {
        Some(head) => head.replace('T', " "),
        None => text,
    }
}

/// The same with milliseconds.
pub(super) fn precise(ms: i64) -> String {
    Millis(ms)
        .to_string()
        .replace('T', " ")
        .trim_end_matches('Z')
        .to_owned()
}

/// For the `datetime` of a `<time>`.
pub(super) fn machine(ms: i64) -> String {
    Millis(ms).to_string()
}

/// How long ago that was, roughly: `now`, `5 min ago`, `3 h ago`, `12 d ago`.
pub(super) fn ago(at: i64, now: i64) -> String {
    let minutes = now.saturating_sub(at) / 60_000;
    match minutes {
        ..0 => "in the future".to_owned(),
        0 => "now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2_880 => format!("{} h ago", minutes / 60),
        _ => format!("{} d ago", minutes / 1_440),
    }
}

/// `512 B`, `1.5 KiB`, `20 MiB`.
pub(super) fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1_024.0 {
            let text = if unit == "B" || value >= 100.0 {
                format!("{value:.0}")
            } else {
                format!("{value:.1}")
            };
            return format!("{} {unit}", text.trim_end_matches(".0"));
        }
        value /= 1_024.0;
    }
    format!("{value:.1} TiB")
}

/// A number without digits that tell nothing: `3`, `0.75`, `0.3333`.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (n, long, brief) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1_000, "1,000", "1k"),
            (12_345, "12,345", "12.3k"),
            (999_499, "999,499", "999k"),
            (999_500, "999,500", "1M"),
            (1_234_567, "1,234,567", "1.2M"),
            (7_000_000_000, "7,000,000,000", "7G"),
        ] {
            assert_eq!((grouped(n).as_str(), short(n).as_str()), (long, brief));
        }
        assert_eq!([number(3.0), number(0.75), number(1.0 / 3.0)], ["3", "0.75", "0.3333"]);
        assert_eq!(
            [bytes(512), bytes(1_536), bytes(20 << 20)],
            ["512 B", "1.5 KiB", "20 MiB"]
        );
    }

    #[test]
    fn money() {
        for (text, shown) in [
            ("0", "$0"),
            ("12.3", "$12.30"),
            ("1234.567", "$1234.57"),
            ("0.5", "$0.50"),
            ("0.0042", "$0.0042"),
            ("0.004249", "$0.0042"),
            ("0.000000120000", "$0.00000012"),
            ("x", ""),
        ] {
            assert_eq!(cost_text(Some(text)), shown, "{text}");
        }
        assert_eq!(cost_text(None), "");
    }

    #[test]
    fn times() {
        for (ms, text) in [
            (-5, "0 ms"),
            (840, "840 ms"),
            (1_240, "1.24 s"),
            (125_000, "2 m 05 s"),
            (11_520_000, "3 h 12 m"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(time(1_772_021_700_250), "2026-02-25 12:15:00");
        assert_eq!(precise(1_772_021_700_250), "2026-02-25 12:15:00.250");
        assert_eq!(
            [ago(0, 59_000), ago(0, 300_000), ago(0, 7_200_000)],
            ["now", "5 min ago", "2 h ago"]
        );
        assert_eq!(ago(0, 86_400_000 * 12), "12 d ago");
    }
}
