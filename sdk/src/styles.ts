/** The widget's look: everything that a shop may want to change is a custom property or a part. */
export const CSS = `
:host { display: block; container-type: inline-size; color: inherit; font: inherit }
h2 { margin: 0 0 .75em; font-size: 1.25em }
ul { display: flex; gap: var(--recom-gap, 1rem); margin: -2px; padding: 2px; list-style: none; overflow-x: auto;
  scroll-snap-type: x proximity; scroll-padding-inline: 2px }
li { flex: 0 0 var(--recom-card-width, 11rem); min-width: 0; scroll-snap-align: start }
.card { display: flex; flex-direction: column; gap: .35rem; min-height: 44px; color: inherit; text-decoration: none }
.card:focus-visible, ul:focus-visible { outline: 2px solid currentColor; outline-offset: 2px }
.media { display: flex; align-items: center; justify-content: center; aspect-ratio: 1; overflow: hidden;
  border-radius: var(--recom-radius, .5rem); background: var(--recom-media, rgb(127 127 127 / .12)) }
.media img { width: 100%; height: 100%; object-fit: cover }
.initials { font-size: 2em }
.title { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; overflow-wrap: anywhere }
a.card:hover .title { text-decoration: underline }
.price { font-weight: 600 }
.price del { margin-inline-start: .5em; font-weight: 400 }
@media (prefers-reduced-motion: no-preference) { ul { scroll-behavior: smooth } }
`.replace(/\s+/g, ' ')
