// When a workflow is opened: notes and titles of our templates in the user's language, and which checkpoint is missing.
import { app } from "../../scripts/app.js";
import { inLanguage } from "./language.js";

const LOADER = "LADR_LoadDLLM";

const WORDS = {
  en: {
    missing: (name) => `${name} is not here yet`,
    put: (folder) => `Put it into ${folder}, press R, and choose it in Load dLLM.`,
    published: (files) => `It is published as a folder of ${files.gigabytes} GB: ${files.page}`,
  },
  zh: {
    missing: (name) => `还没有 ${name}`,
    put: (folder) => `请放入 ${folder}，按 R 刷新，再在“加载 dLLM”中选择。`,
    published: (files) => `它以文件夹形式发布，共 ${files.gigabytes} GB：${files.page}`,
  },
  ja: {
    missing: (name) => `${name} がまだありません`,
    put: (folder) => `${folder} に置き、R キーで更新して「dLLM を読み込む」で選んでください。`,
    published: (files) => `${files.gigabytes} GB のフォルダーとして公開されています：${files.page}`,
  },
};

let takeAway; // removes what is said of the workflow that is open

function* everyNode(graph) {
  for (const node of graph?.nodes ?? graph?._nodes ?? []) {
    yield node;
    if (node.subgraph) yield* everyNode(node.subgraph);
  }
}

// Templates carry translations in a node's properties. They are used once: what the user writes later stays.
function translate(node) {
  const { ladr_title: titles, ladr_text: texts } = node.properties ?? {};
  const title = titles && inLanguage(titles);
  if (title) node.title = title;
  const text = texts && inLanguage(texts);
  if (text && node.widgets?.[0]) node.widgets[0].value = text;
  if (titles) delete node.properties.ladr_title;
  if (texts) delete node.properties.ladr_text;
}

// A warning that stays until it is closed; newer front ends have another way to say so. Gives what removes it.
function warn(summary, detail) {
  const { toast } = app.extensionManager;
  if (toast.dismiss) {
    const shown = toast.warning(summary, { description: detail, closable: true, duration: Infinity });
    return () => toast.dismiss(shown);
  }
  const message = { severity: "warn", summary, detail };
  toast.add(message);
  return () => toast.remove(message);
}

// ComfyUI announces missing models only where a widget names a single file; the large models are folders.
function announceMissing(node) {
  const widget = node.widgets?.find((each) => each.name === "checkpoint");
  const known = widget?.options?.values;
  const choices = typeof known === "function" ? known(widget, node) : known;
  if (!Array.isArray(choices) || choices.includes(widget.value)) return;
  const say = inLanguage(WORDS);
  const files = node.properties?.ladr_files;
  const fits = files?.folder.endsWith(`/${widget.value}`); // not once the user has chosen another
  const detail = fits ? `${say.published(files)}\n${say.put(files.folder)}` : say.put("models/dllm");
  takeAway = warn(say.missing(widget.value), detail);
}

app.registerExtension({
  name: "LADR.Templates",

  afterConfigureGraph() {
    takeAway?.();
    takeAway = undefined;
    const loaders = [];
    for (const node of everyNode(app.rootGraph ?? app.graph)) {
      translate(node);
      if (node.type === LOADER) loaders.push(node);
    }
    for (const node of loaders) if (!takeAway) announceMissing(node);
  },
});
