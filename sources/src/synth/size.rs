//! How large a payload is: a fixed table of quantiles, so that no platform's `exp` decides it.

use super::config::Payload;
use super::rng::Rng;

/// Multiples of the median in thousandths, at 0/16, 1/16, ... 16/16: a log-normal of sigma 0.8, its ends cut.
const QUANTILES: [u64; 17] = [
    160, 293, 398, 492, 583, 676, 775, 882, 1000, 1134, 1290, 1479, 1715, 2033, 2511, 3412, 6200,
];

/// A payload's size in bytes. `weight` is the kind's share of an average row, in thousandths.
pub(super) fn draw(payload: &Payload, weight: u64, rng: &mut Rng) -> usize {
    let (median, max) = (u64::from(payload.median), u64::from(payload.max));
    let low = (median * 10).min(max);
    if rng.chance(payload.tail) {
        let octaves = u64::from((max / low.max(1)).max(1).ilog2()) + 1;
        let from = low << rng.below(octaves);
        let to = (from * 2).min(max);
        return (from + rng.below(to.saturating_sub(from) + 1)).min(max) as usize;
    }
    let step = rng.index(16);
    let (a, b) = (QUANTILES[step], QUANTILES[step + 1]);
    let times = a + rng.below(b - a + 1);
    (median * times / 1000 * weight / 1000).min(max) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_what_the_chunk_size_reckons_with() {
        for payload in [Payload::default(), Payload::wide()] {
            let mut rng = Rng::new(3);
            let n = 200_000;
            let sizes: Vec<usize> = (0..n).map(|_| draw(&payload, 1000, &mut rng)).collect();
            let mean = sizes.iter().sum::<usize>() as f64 / f64::from(n);
            assert!((mean / payload.mean() - 1.0).abs() < 0.1, "{mean} {}", payload.mean());
            assert!(sizes.iter().all(|size| *size <= payload.max as usize));
            let mut sorted = sizes;
            sorted.sort_unstable();
            let median = sorted[sorted.len() / 2] as f64;
            assert!((median / f64::from(payload.median) - 1.0).abs() < 0.05, "{median}");
        }
    }
}
