// Shows on each sampler what its last run did. The server sends it as the node's output and writes it into pictures.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { inLanguage } from "./language.js";

const SAMPLERS = ["LADR_Sampler", "LADR_BaselineSampler"];
const START = "ladr_start"; // message of nodes/run_result.py
const RESULT = "ladr_result"; // its output of a node, and its entry in a workflow's "extra"
const WIDGET = "run_result";
const LEAST_HEIGHT = 64; // pixels: three lines
const MOST_HEIGHT = 180; // ten lines; more scroll
const PADDING = 4;

const WORDS = {
  en: {
    none: "The result of a run shows here.",
    start: (most) => (most ? `Running: at most ${most} network evaluations` : "Running"),
    stopped: "The last run was stopped before its end.",
    nfe: (nfe, most) => (most ? `${nfe} of at most ${most} network evaluations` : `${nfe} network evaluations`),
    fewer: (times) => `${times}x fewer`,
    seconds: (seconds) => `${seconds} s`,
    seed: (seed, counts) => `Seed ${seed}: ${counts}`,
    image: (number, nfe, text) => `${number}. ${text}, ${nfe} evaluations`,
    scheduled: (cells) => `${cells} cells scheduled`,
    rescued: (cells) => `${cells} rescued`,
    given: (cells) => `${cells} given`,
    comma: ", ",
  },
  zh: {
    none: "运行结果会显示在这里。",
    start: (most) => (most ? `运行中：最多 ${most} 次网络求值` : "运行中"),
    stopped: "上次运行在完成前停止。",
    nfe: (nfe, most) => (most ? `网络求值 ${nfe} 次（最多 ${most} 次）` : `网络求值 ${nfe} 次`),
    fewer: (times) => `仅为其 1/${times}`,
    seconds: (seconds) => `${seconds} 秒`,
    seed: (seed, counts) => `种子 ${seed}：${counts}`,
    image: (number, nfe, text) => `${number}. ${text}，求值 ${nfe} 次`,
    scheduled: (cells) => `计划 ${cells} 个单元`,
    rescued: (cells) => `救援 ${cells} 个`,
    given: (cells) => `已给定 ${cells} 个`,
    comma: "，",
  },
  ja: {
    none: "実行結果がここに表示されます。",
    start: (most) => (most ? `実行中：ネットワーク評価は最大 ${most} 回` : "実行中"),
    stopped: "前回の実行は完了前に止まりました。",
    nfe: (nfe, most) => (most ? `ネットワーク評価 ${nfe} 回（最大 ${most} 回）` : `ネットワーク評価 ${nfe} 回`),
    fewer: (times) => `その 1/${times}`,
    seconds: (seconds) => `${seconds} 秒`,
    seed: (seed, counts) => `シード ${seed}：${counts}`,
    image: (number, nfe, text) => `${number}. ${text}、評価 ${nfe} 回`,
    scheduled: (cells) => `予定 ${cells} セル`,
    rescued: (cells) => `救済 ${cells} セル`,
    given: (cells) => `既知 ${cells} セル`,
    comma: "、",
  },
};

function resultLines(result) {
  const say = inLanguage(WORDS);
  const join = (...parts) => parts.filter(Boolean).join(say.comma);
  const cells = (image) =>
    join(
      say.scheduled(image.scheduled),
      image.rescued > 0 && say.rescued(image.rescued),
      image.given > 0 && say.given(image.given),
    );
  const fewer = result.speedup > 1 && say.fewer(result.speedup.toFixed(1));
  const first = join(say.nfe(result.nfe, result.most_nfe), fewer, say.seconds(result.seconds.toFixed(2)));
  // The seed, because the one on the node may have moved on to the next run's.
  const texts = result.images.map((image) => say.seed(image.seed, cells(image)));
  const images = texts.length === 1 ? texts : texts.map((text, at) => say.image(at + 1, result.images[at].nfe, text));
  return [first, ...images, ...result.notices];
}

function write(node, lines) {
  const widget = node?.widgets?.find((each) => each.name === WIDGET);
  if (widget) widget.value = lines.join("\n");
}

function showOutput(node, output) {
  const text = output?.[RESULT]?.[0];
  if (text) write(node, resultLines(JSON.parse(text)));
}

// Newer cores send the output again with a cached result. Older ones keep it in the history of the prompt alone.
function showCachedResults() {
  let waiting = []; // samplers whose result was cached, and whose output has not come
  let promptId;
  api.addEventListener("execution_cached", ({ detail }) => {
    promptId = detail.prompt_id;
    waiting = detail.nodes.filter((id) => SAMPLERS.includes(findNode(id)?.type));
  });
  api.addEventListener("executed", ({ detail }) => {
    waiting = waiting.filter((id) => id !== detail.node);
  });
  api.addEventListener("executing", async ({ detail }) => {
    if (detail || !waiting.length) return; // it names no node when the run is over
    const samplers = waiting;
    waiting = [];
    const history = await (await api.fetchApi(`/history/${promptId}`)).json();
    for (const id of samplers) showOutput(findNode(id), history[promptId]?.outputs?.[id]);
  });
}

// "5" is a node of the workflow, "5:3" node 3 of the subgraph that node 5 holds.
function findNode(executionId) {
  let graph = app.rootGraph ?? app.graph;
  let node;
  for (const part of String(executionId).split(":")) {
    node = graph?.getNodeById(Number(part)) ?? graph?.getNodeById(part);
    graph = node?.subgraph;
  }
  return node;
}

function addResultWidget(node) {
  const element = document.createElement("div");
  // `white-space` keeps the lines apart; the rest is how ComfyUI draws its own read-only text.
  element.style.cssText =
    "box-sizing:border-box;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;user-select:text;" +
    `padding:${PADDING}px 8px;border-radius:6px;font-size:12px;line-height:1.4;` +
    `min-height:${LEAST_HEIGHT}px;color:var(--input-text);background:var(--comfy-input-bg)`;
  const text = element.appendChild(document.createElement("div"));
  text.textContent = inLanguage(WORDS).none;
  // The box is as high as its text, within bounds: classic nodes ask by `getMinHeight`, Nodes 2.0 by the style.
  let height = LEAST_HEIGHT;
  new ResizeObserver(() => {
    if (!text.offsetHeight) return; // not drawn now
    height = Math.min(Math.max(text.offsetHeight + 2 * PADDING, LEAST_HEIGHT), MOST_HEIGHT);
    element.style.minHeight = `${height}px`;
    node.setDirtyCanvas(true, true);
  }).observe(text);
  const widget = node.addDOMWidget(WIDGET, "ladr_run_result", element, {
    serialize: false,
    hideOnZoom: false,
    getValue: () => text.textContent,
    setValue: (lines) => (text.textContent = lines || inLanguage(WORDS).none),
    getMinHeight: () => height,
  });
  widget.serialize = false; // the option keeps it out of the prompt, this out of saved workflows
}

app.registerExtension({
  name: "LADR.RunResult",

  setup() {
    showCachedResults();
    let sampling; // the node that says it runs: a server runs one at a time
    api.addEventListener(START, ({ detail }) => {
      sampling = detail.node;
      write(findNode(sampling), [inLanguage(WORDS).start(detail.most_nfe), ...detail.notices]);
    });
    api.addEventListener("executed", ({ detail }) => {
      if (detail.node === sampling) sampling = undefined;
    });
    const stopped = () => {
      if (sampling) write(findNode(sampling), [inLanguage(WORDS).stopped]);
      sampling = undefined;
    };
    api.addEventListener("execution_interrupted", stopped);
    api.addEventListener("execution_error", stopped);
  },

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!SAMPLERS.includes(nodeData.name)) return;
    const { onNodeCreated, onExecuted } = nodeType.prototype;
    nodeType.prototype.onNodeCreated = function (...given) {
      onNodeCreated?.apply(this, given);
      addResultWidget(this);
    };
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.call(this, output);
      showOutput(this, output);
    };
  },

  // A workflow out of a picture brings what its run did. It is taken out: the next run may do otherwise.
  afterConfigureGraph() {
    const extra = (app.rootGraph ?? app.graph)?.extra;
    for (const [node, result] of Object.entries(extra?.[RESULT] ?? {})) write(findNode(node), resultLines(result));
    if (extra) delete extra[RESULT];
  },

  // Going back to a workflow's tab brings its outputs again.
  onNodeOutputsUpdated(outputs) {
    for (const [node, output] of Object.entries(outputs)) if (output?.[RESULT]) showOutput(findNode(node), output);
  },
});
