//! Sizes and places, without pixels (imgproxy's `prepare.go` and `calc_position.go`).

use crate::Order;

/// How a picture goes into a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resize {
    /// It fills the box, and what stands out is cut off.
    #[default]
    Cover,
    /// All of it is in the box.
    Contain,
    /// It is stretched.
    Fill,
}

/// A side, a corner, or the centre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Neither.
    #[default]
    Centre,
    /// The top.
    North,
    /// The bottom.
    South,
    /// The right.
    East,
    /// The left.
    West,
    /// Top right.
    NorthEast,
    /// Top left.
    NorthWest,
    /// Bottom right.
    SouthEast,
    /// Bottom left.
    SouthWest,
}

/// What stays of a picture that is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gravity {
    /// What lies in a direction, this far from its edge: pixels, or below 1 a part of the picture.
    Toward(Direction, f64, f64),
    /// What lies around a point, from (0, 0) to (1, 1).
    Focus(f64, f64),
    /// Where there is most to see.
    Smart,
}

impl Default for Gravity {
    fn default() -> Self {
        Self::Toward(Direction::Centre, 0.0, 0.0)
    }
}

/// Width and height.
pub(crate) type Size = (u32, u32);

/// What becomes of an upright picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Its size after scaling; never larger than before.
    pub(crate) scaled: Size,
    /// Its size after cutting.
    pub(crate) cut: Size,
}

/// Sizes for a picture of `source` pixels.
pub(crate) fn plan(source: Size, order: &Order) -> Plan {
    let (width, height) = (f64::from(source.0), f64::from(source.1));
    let shrink =
        |side: f64, wanted: Option<u32>| wanted.map_or(1.0, |wanted| side / f64::from(wanted.max(1)));
    let (mut across, mut down) = (shrink(width, order.width), shrink(height, order.height));
    match (order.resize, order.width, order.height) {
        (_, None, None) => {}
        (Resize::Fill, ..) => {}
        (_, None, _) => across = down,
        (_, _, None) => down = across,
        (Resize::Contain, ..) => (across, down) = (across.max(down), across.max(down)),
        (Resize::Cover, ..) => (across, down) = (across.min(down), across.min(down)),
    }
    // Not enlarged, and the proportions that were asked for.
    let least = across.min(down);
    if least < 1.0 {
        (across, down) = (across / least, down / least);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let scale = |side: u32, shrink: f64| ((f64::from(side) / shrink).round() as u32).clamp(1, side.max(1));
    let scaled = (scale(source.0, across), scale(source.1, down));
    let cut = |side: u32, wanted: Option<u32>| wanted.map_or(side, |wanted| side.min(wanted.max(1)));
    Plan { scaled, cut: (cut(scaled.0, order.width), cut(scaled.1, order.height)) }
}

impl Plan {
    pub(crate) fn is_cut(&self) -> bool {
        self.scaled != self.cut
    }

    /// The top left corner of what stays. `busiest` tells where there is most to see, for one axis: the
    /// length of the part and whether the axis goes down.
    pub(crate) fn corner(&self, gravity: Gravity, busiest: impl Fn(u32, bool) -> u32) -> (u32, u32) {
        let ((width, height), (inner_width, inner_height)) = (self.scaled, self.cut);
        let (room_across, room_down) = (width - inner_width, height - inner_height);
        let (left, top) = match gravity {
            Gravity::Smart => {
                return (
                    busiest(inner_width, false).min(room_across),
                    busiest(inner_height, true).min(room_down),
                );
            }
            Gravity::Focus(x, y) => (
                f64::from(width) * x - f64::from(inner_width / 2),
                f64::from(height) * y - f64::from(inner_height / 2),
            ),
            Gravity::Toward(direction, x, y) => {
                use Direction::{East, North, NorthEast, NorthWest, South, SouthEast, SouthWest, West};
                let offset = |side: u32, by: f64| if by.abs() >= 1.0 { by } else { f64::from(side) * by };
                let (x, y) = (offset(width, x), offset(height, y));
                let left = match direction {
                    West | NorthWest | SouthWest => x,
                    East | NorthEast | SouthEast => f64::from(room_across) - x,
                    _ => f64::from(room_across.div_ceil(2)) + x,
                };
                let top = match direction {
                    North | NorthEast | NorthWest => y,
                    South | SouthEast | SouthWest => f64::from(room_down) - y,
                    _ => f64::from(room_down.div_ceil(2)) + y,
                };
                (left, top)
            }
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let within = |place: f64, room: u32| (place.round_ties_even().max(0.0) as u32).min(room);
        (within(left, room_across), within(top, room_down))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    fn order(width: u32, height: u32, resize: Resize) -> Order {
        let side = |side: u32| (side > 0).then_some(side);
        Order {
            width: side(width),
            height: side(height),
            resize,
            gravity: Gravity::default(),
            quality: None,
            format: Format::Jpeg,
        }
    }

    #[test]
    fn sizes() {
        let check = |source: Size, box_: Size, resize: Resize, scaled: Size, cut: Size| {
            let found = plan(source, &order(box_.0, box_.1, resize));
            assert_eq!(found, Plan { scaled, cut }, "{source:?} {box_:?} {resize:?}");
        };
        check((400, 300), (0, 0), Resize::Cover, (400, 300), (400, 300));
        check((400, 300), (200, 0), Resize::Cover, (200, 150), (200, 150));
        check((400, 300), (0, 30), Resize::Contain, (40, 30), (40, 30));
        check((400, 300), (200, 200), Resize::Cover, (267, 200), (200, 200));
        check((400, 300), (200, 200), Resize::Contain, (200, 150), (200, 150));
        check((400, 300), (200, 200), Resize::Fill, (200, 200), (200, 200));
        check((400, 300), (200, 0), Resize::Fill, (200, 300), (200, 300));
        // What is smaller stays so.
        check((40, 30), (200, 200), Resize::Cover, (40, 30), (40, 30));
        check((40, 30), (20, 200), Resize::Cover, (40, 30), (20, 30));
        check((40, 30), (200, 200), Resize::Contain, (40, 30), (40, 30));
        check((100, 100), (200, 50), Resize::Fill, (100, 25), (100, 25));
        check((1, 10_000), (2000, 10), Resize::Contain, (1, 10), (1, 10));
    }

    #[test]
    fn places() {
        let plan = Plan { scaled: (300, 100), cut: (100, 100) };
        let check = |gravity: Gravity, left: u32| {
            assert_eq!(plan.corner(gravity, |_, down| if down { 0 } else { 7 }), (left, 0), "{gravity:?}");
        };
        check(Gravity::default(), 100);
        check(Gravity::Toward(Direction::West, 0.0, 0.0), 0);
        check(Gravity::Toward(Direction::NorthEast, 0.0, 0.0), 200);
        check(Gravity::Toward(Direction::East, 10.0, 0.0), 190);
        check(Gravity::Toward(Direction::West, 0.1, 0.0), 30);
        check(Gravity::Toward(Direction::West, -50.0, 0.0), 0);
        check(Gravity::Toward(Direction::West, f64::MAX, f64::NAN), 200);
        check(Gravity::Focus(0.0, 0.0), 0);
        check(Gravity::Focus(0.5, 1.0), 100);
        check(Gravity::Focus(1.0, 1.0), 200);
        check(Gravity::Smart, 7);
    }
}
