import { mount } from 'svelte'
import './app.css'
import App from './App.svelte'
import { chooseBackend } from './lib/backend/choose'
import { Session } from './lib/session.svelte'

const target = document.getElementById('app')
if (!target) throw new Error('index.html has no #app')

mount(App, { target, props: { session: new Session(await chooseBackend()) } })
