"use strict";

// A slider says its value.
document.addEventListener("input", ({ target }) => {
  const told = document.querySelector(`output[for="${target.id}"]`);
  if (told) told.value = target.value;
});
