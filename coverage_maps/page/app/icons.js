// Small pictures the map draws with, made on a canvas: nothing is fetched. A shape is a kind, hollow means not at work.

import { STATUS, THEMES } from "./palette.js";

const RATIO = 2, SIZE = 22;

/** The image of an id such as "spot/mapper/earning/dark" or "hatch/light"; null for an id that is not ours. */
export function image(id) {
  const [what, ...rest] = id.split("/");
  if (what === "spot") return spot(...rest);
  if (what === "hatch") return hatch(rest[0]);
  return null;
}

function canvas(size, draw) {
  const made = document.createElement("canvas");
  made.width = made.height = size * RATIO;
  const pen = made.getContext("2d");
  pen.scale(RATIO, RATIO);
  draw(pen, size);
  return { data: pen.getImageData(0, 0, made.width, made.height), options: { pixelRatio: RATIO } };
}

export function shapePath(kind, middle, reach) {
  const path = new Path2D();
  if (kind === "mapper") {
    const far = reach * 1.22;
    path.moveTo(middle, middle - far);
    path.lineTo(middle + far, middle);
    path.lineTo(middle, middle + far);
    path.lineTo(middle - far, middle);
    path.closePath();
  } else if (kind === "wifi") {
    path.roundRect(middle - reach, middle - reach, 2 * reach, 2 * reach, 2.5);
  } else {
    path.arc(middle, middle, reach, 0, 2 * Math.PI);
  }
  return path;
}

function spot(kind, status, theme) {
  const look = STATUS[status] ?? STATUS.silent, colors = THEMES[theme];
  return canvas(SIZE, (pen, size) => {
    const middle = size / 2, reach = kind === "mapper" ? 5.6 : 7;
    pen.lineJoin = "round";
    pen.strokeStyle = colors.ring;
    pen.lineWidth = 5;
    pen.stroke(shapePath(kind, middle, reach));
    pen.fillStyle = look.hollow ? colors.ring : look[theme];
    pen.fill(shapePath(kind, middle, reach));
    pen.strokeStyle = look[theme];
    pen.lineWidth = 2.4;
    pen.stroke(shapePath(kind, middle, reach - 0.6));
    if (kind !== "mapper") {
      pen.fillStyle = look.hollow ? look[theme] : colors.ring;
      pen.fill(shapePath("fixed", middle, 2.1));
    }
  });
}

const HATCH_SIZE = 32, HATCH_GAP = 8;

/** Diagonal lines, drawn beyond the edges so that tiles join: somebody tried here, and nobody heard. */
function hatch(theme) {
  return canvas(HATCH_SIZE, (pen, size) => {
    pen.strokeStyle = THEMES[theme].label;
    pen.globalAlpha = 0.75;
    pen.lineWidth = 1.3;
    pen.beginPath();
    for (let from = -size; from <= size; from += HATCH_GAP) {
      pen.moveTo(from - HATCH_GAP, size + HATCH_GAP);
      pen.lineTo(from + size + HATCH_GAP, -HATCH_GAP);
    }
    pen.stroke();
  });
}
