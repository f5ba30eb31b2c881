// The code of a class may stand behind the # of the address, where a QR code puts it: no browser sends that part.
(() => {
  "use strict";
  const fill = () => {
    const field = document.querySelector("input[name=code]");
    const code = /^#([a-zA-Z0-9]{4,16})$/.exec(location.hash);
    if (!field || !code) return Boolean(field);
    field.value = code[1];
    document.querySelector("input[name=name]").focus();
    history.replaceState(null, "", location.pathname);
    return true;
  };
  if (location.pathname !== "/class") return;
  const watch = setInterval(() => { if (fill()) clearInterval(watch); }, 50);
  window.addEventListener("hashchange", fill);
})();
