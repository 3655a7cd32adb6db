//! A software rasteriser for what egui paints, so that snapshots need neither a graphics card nor a window.
//!
//! It does what egui's own OpenGL painter does: textured triangles, premultiplied colours, blended in gamma space.

use egui::epaint::{ClippedPrimitive, ImageData, Mesh, Primitive, Vertex};
use egui::{Color32, Context, FullOutput, TextureId, TexturesDelta};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Width, height and pixels.
type Texture = (usize, usize, Vec<Color32>);

/// The textures that egui has handed over so far.
#[derive(Clone, Default)]
pub struct Textures(Rc<RefCell<HashMap<TextureId, Texture>>>);

impl egui_kittest::TestRenderer for Textures {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        let mut textures = self.0.borrow_mut();
        let changes = delta.set.drain();
        for (id, change) in changes.flat_map(|(id, all)| all.into_iter().map(move |one| (id, one)))
        {
            let ImageData::Color(image) = &change.image;
            let [width, height] = image.size;
            match change.pos {
                None => {
                    textures.insert(id, (width, height, image.pixels.clone()));
                }
                Some([left, top]) => {
                    let Some((stride, _, pixels)) = textures.get_mut(&id) else {
                        continue;
                    };
                    for row in 0..height {
                        let to = (top + row) * *stride + left;
                        pixels[to..to + width]
                            .copy_from_slice(&image.pixels[row * width..(row + 1) * width]);
                    }
                }
            }
        }
        for id in delta.free.drain() {
            textures.remove(&id);
        }
    }
}

/// A picture, row by row from the top, red, green, blue.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 3]>,
}

impl Textures {
    /// Paints one frame.
    pub fn paint(&self, context: &Context, output: &FullOutput) -> Picture {
        let scale = output.pixels_per_point;
        let size = context.content_rect().size() * scale;
        let (width, height) = (size.x.round() as usize, size.y.round() as usize);
        let mut canvas = vec![[0.0_f32; 3]; width * height];
        let textures = self.0.borrow();
        for ClippedPrimitive { clip_rect, primitive } in
            context.tessellate(output.shapes.clone(), scale)
        {
            let Primitive::Mesh(mesh) = primitive else {
                continue;
            };
            let Some(texture) = textures.get(&mesh.texture_id) else {
                continue;
            };
            let clip = [
                (clip_rect.min.x * scale).round().max(0.0) as usize,
                (clip_rect.min.y * scale).round().max(0.0) as usize,
                ((clip_rect.max.x * scale).round().max(0.0) as usize).min(width),
                ((clip_rect.max.y * scale).round().max(0.0) as usize).min(height),
            ];
            fill(&mut canvas, width, clip, scale, &mesh, texture);
        }
        let pixels =
            canvas.iter().map(|pixel| pixel.map(|v| v.clamp(0.0, 255.0).round() as u8)).collect();
        Picture { width, height, pixels }
    }
}

fn fill(
    canvas: &mut [[f32; 3]],
    width: usize,
    clip: [usize; 4],
    scale: f32,
    mesh: &Mesh,
    texture: &Texture,
) {
    for triangle in mesh.indices.chunks_exact(3) {
        let corners: [&Vertex; 3] = [0, 1, 2].map(|i| &mesh.vertices[triangle[i] as usize]);
        let p = corners.map(|vertex| [vertex.pos.x * scale, vertex.pos.y * scale]);
        let edge = |a: [f32; 2], b: [f32; 2], c: [f32; 2]| {
            (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        };
        let area = edge(p[0], p[1], p[2]);
        if area == 0.0 || !area.is_finite() {
            continue;
        }
        let low = |axis: usize| p.iter().map(|q| q[axis]).fold(f32::MAX, f32::min);
        let high = |axis: usize| p.iter().map(|q| q[axis]).fold(f32::MIN, f32::max);
        let left = (low(0).floor().max(0.0) as usize).max(clip[0]);
        let right = (high(0).ceil().max(0.0) as usize).min(clip[2]);
        let top = (low(1).floor().max(0.0) as usize).max(clip[1]);
        let bottom = (high(1).ceil().max(0.0) as usize).min(clip[3]);
        // A pixel on an edge that two triangles share belongs to one of them only: the one on its top left.
        let owns = |a: [f32; 2], b: [f32; 2]| {
            let (dx, dy) = ((b[0] - a[0]) * area.signum(), (b[1] - a[1]) * area.signum());
            dy < 0.0 || (dy == 0.0 && dx > 0.0)
        };
        let owned = [owns(p[1], p[2]), owns(p[2], p[0]), owns(p[0], p[1])];
        let tint = corners.map(|vertex| vertex.color.to_array().map(f32::from));
        for y in top..bottom {
            for x in left..right {
                let at = [x as f32 + 0.5, y as f32 + 0.5];
                let w = [
                    edge(p[1], p[2], at) / area,
                    edge(p[2], p[0], at) / area,
                    edge(p[0], p[1], at) / area,
                ];
                let inside = (0..3).all(|i| w[i] > 0.0 || (w[i] == 0.0 && owned[i]));
                if !inside {
                    continue;
                }
                let mix = |of: &dyn Fn(usize) -> f32| (0..3).map(|i| w[i] * of(i)).sum::<f32>();
                let u = mix(&|i| corners[i].uv.x);
                let v = mix(&|i| corners[i].uv.y);
                let sample = bilinear(texture, u, v);
                let colour: [f32; 4] =
                    std::array::from_fn(|c| mix(&|i| tint[i][c]) * sample[c] / 255.0);
                let pixel = &mut canvas[y * width + x];
                for c in 0..3 {
                    pixel[c] = colour[c] + pixel[c] * (1.0 - colour[3] / 255.0);
                }
            }
        }
    }
}

fn bilinear((width, height, pixels): &Texture, u: f32, v: f32) -> [f32; 4] {
    let x = (u * *width as f32 - 0.5).clamp(0.0, (*width - 1) as f32);
    let y = (v * *height as f32 - 0.5).clamp(0.0, (*height - 1) as f32);
    let (left, top) = (x.floor() as usize, y.floor() as usize);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (fx, fy) = (x.fract(), y.fract());
    let at = |x: usize, y: usize| pixels[y * width + x].to_array();
    let corners = [at(left, top), at(right, top), at(left, bottom), at(right, bottom)];
    std::array::from_fn(|c| {
        let [a, b, d, e] = corners.map(|corner| f32::from(corner[c]));
        (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (d * (1.0 - fx) + e * fx) * fy
    })
}

impl Picture {
    /// Writes it as PNG.
    pub fn save(&self, path: &std::path::Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Best);
        let bytes: Vec<u8> = self.pixels.iter().flatten().copied().collect();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&bytes).unwrap();
    }

    /// Reads it back.
    pub fn load(path: &std::path::Path) -> Option<Self> {
        let file = std::io::BufReader::new(std::fs::File::open(path).ok()?);
        let mut reader = png::Decoder::new(file).read_info().ok()?;
        let mut bytes = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut bytes).ok()?;
        let pixels = bytes[..info.buffer_size()]
            .chunks_exact(3)
            .map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect();
        Some(Self { width: info.width as usize, height: info.height as usize, pixels })
    }

    /// The share of pixels that differ visibly (by more than 24 of 255 in some colour), 0 to 1.
    pub fn difference(&self, other: &Self) -> f64 {
        if (self.width, self.height) != (other.width, other.height) {
            return 1.0;
        }
        let differ = self
            .pixels
            .iter()
            .zip(&other.pixels)
            .filter(|(a, b)| (0..3).any(|c| a[c].abs_diff(b[c]) > 24))
            .count();
        differ as f64 / self.pixels.len() as f64
    }
}
