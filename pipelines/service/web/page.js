// Comfort alone: the page does everything without it.
"use strict";
for (const select of document.querySelectorAll("select[data-hint]")) {
  const hint = document.getElementById(select.dataset.hint);
  const show = () => { hint.textContent = select.selectedOptions[0].dataset.limits; };
  select.addEventListener("change", show);
  show();
}
const print = document.getElementById("print");
if (document.body.classList.contains("has-answer")) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
