//! Which links a partition cuts: the shapes of Jepsen's nemesis, for any number of nodes.
//!
//! A link (a, b) is cut if `b` hears nothing of `a`. What a node *sees* is itself and all whom it hears.

use super::choice::{one, shuffled, some};
use crate::scenario::{Link, Shape};
use quorate_types::Rng;

/// Shapes that cut both ways, or any way, with the number of nodes that they need.
const SHAPES: [(Shape, usize); 6] = [
    (Shape::Halves, 2),
    (Shape::RandomHalves, 2),
    (Shape::OneNode, 2),
    (Shape::MajoritiesRing, 3),
    (Shape::Bridge, 3),
    (Shape::Random, 2),
];
/// Of so many links a random partition cuts one.
const RANDOM_ONE_OF: u64 = 3;

/// A shape that so many nodes can have; never [`Shape::OneWay`], which is asked for by itself.
pub fn shape(rng: &mut Rng, nodes: usize) -> Shape {
    let fitting: Vec<Shape> =
        SHAPES.iter().filter(|(_, least)| nodes >= *least).map(|(shape, _)| *shape).collect();
    one(rng, &fitting)
}

/// The links that this shape cuts between `ids`, in order. Never empty.
///
/// # Panics
/// If there are too few ids for the shape: two, or three for a ring or a bridge.
pub fn links(rng: &mut Rng, shape: Shape, ids: &[u64]) -> Vec<Link> {
    let least = SHAPES.iter().find(|(known, _)| *known == shape).map_or(2, |(_, least)| *least);
    assert!(ids.len() >= least, "{} nodes have no {shape:?}", ids.len());
    let half = ids.len() / 2;
    let mut links = match shape {
        Shape::Halves => between(&ids[..half], &ids[half..]),
        Shape::RandomHalves => {
            let mixed = shuffled(rng, ids);
            between(&mixed[..half], &mixed[half..])
        }
        Shape::OneNode => {
            let mixed = shuffled(rng, ids);
            between(&mixed[..1], &mixed[1..])
        }
        Shape::Bridge => {
            // The first of the second half is the bridge.
            let mixed = shuffled(rng, ids);
            between(&mixed[..half], &mixed[half + 1..])
        }
        Shape::MajoritiesRing => ring(&shuffled(rng, ids)),
        Shape::OneWay => {
            let mixed = shuffled(rng, ids);
            let (deaf, unheard) = mixed.split_at(1 + rng.below(ids.len() as u64 - 1) as usize);
            one_way(unheard, deaf)
        }
        Shape::Random => any(rng, ids),
    };
    links.sort_unstable();
    links
}

/// All links to and from `node`.
pub fn around(node: u64, ids: &[u64]) -> Vec<Link> {
    let others: Vec<u64> = ids.iter().copied().filter(|id| *id != node).collect();
    between(&[node], &others)
}

/// Any links, at least one.
pub fn any(rng: &mut Rng, ids: &[u64]) -> Vec<Link> {
    let all = one_way(ids, ids);
    let first = one(rng, &all);
    all.into_iter().filter(|link| *link == first || rng.chance(1, RANDOM_ONE_OF)).collect()
}

fn one_way(from: &[u64], to: &[u64]) -> Vec<Link> {
    from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b).collect()
}

fn between(a: &[u64], b: &[u64]) -> Vec<Link> {
    let mut links = one_way(a, b);
    links.extend(one_way(b, a));
    links
}

/// Each node sees the bare majority of the ring that lies around it. An even majority cannot lie evenly: then it is the side before the node that
/// is longer, and links are cut one way.
fn ring(ids: &[u64]) -> Vec<Link> {
    let majority = ids.len() / 2 + 1;
    let mut links = Vec::new();
    for (place, to) in ids.iter().enumerate() {
        let first = place + ids.len() - majority / 2;
        let unseen = (majority..ids.len()).map(|step| ids[(first + step) % ids.len()]);
        links.extend(unseen.map(|from| (from, *to)));
    }
    links
}

/// Some of the nodes in the order in which they are clogged, and in the order in which they are freed.
pub fn swizzle(rng: &mut Rng, ids: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let count = 1 + rng.below(ids.len() as u64) as usize;
    let clogged = some(rng, ids, count);
    let freed = shuffled(rng, &clogged);
    (clogged, freed)
}
