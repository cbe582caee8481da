"use strict";
// Draws each figure when it comes into view: a page has dozens, and most stay hidden.
(() => {
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const caseNames = json("case-names");
  const config = {
    displaylogo: false,
    showSendToCloud: false, // on by default in Plotly 7: a button that uploads the plot
    plotlyServerURL: "",
    responsive: true,
    modeBarButtonsToRemove: ["lasso2d", "select2d"],
    toImageButtonOptions: { format: "svg" },
  };

  // Plotly takes texts for HTML.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

  function draw(element) {
    const figure = json(`figure-${element.dataset.figure}`);
    for (const trace of figure.data) {
      if (trace.meta) trace.text = caseNames[trace.meta.system].map(plain);
    }
    Plotly.newPlot(element, figure.data, figure.layout, config);
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "300px" });
  // Plotly takes about a second to start: the page is to be seen before that.
  window.addEventListener("load", () => setTimeout(() => {
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
    document.querySelectorAll("[data-figure]").forEach((element) => watcher.observe(element));
  }, 100));

  // Paper shows everything: what is folded, and plots that were not in view yet.
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((details) => { details.open = true; });
    if (!window.Plotly) return;
    document.querySelectorAll("[data-figure]").forEach((element) => {
      if (element.closest("[hidden]") || element.classList.contains("js-plotly-plot")) return;
      watcher.unobserve(element);
      draw(element);
    });
  });

  document.querySelectorAll("select.metric").forEach((select) => {
    select.addEventListener("change", () => {
      document.querySelectorAll(`.pair[data-target="${select.dataset.target}"]`).forEach((pair) => {
        pair.hidden = pair.dataset.metric !== select.value;
      });
    });
  });
})();
