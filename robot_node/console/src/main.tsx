import { createRoot } from "react-dom/client";

import { App } from "./page/App";
import { fetchConfig } from "./page/settings";
import "./page/style.css";

const place = document.getElementById("page");
if (place) void fetchConfig().then((served) => createRoot(place).render(<App served={served} />));
