// The snippet's stub and one event; a file of its own because this site's policy allows no inline script.
window.recom = window.recom || function () { (recom.q = recom.q || []).push(arguments) }
if (document.currentScript.dataset.item) recom('track', 'view', { item_id: document.currentScript.dataset.item })
