import { ErrorPage } from './errors/error-page.tsx';
import { HomePage } from './home/home-page.tsx';
import { RoomRoute } from './room/room-route.tsx';
import { route } from './router.ts';
import { useStore } from './use-store.ts';

export function App() {
  const current = useStore(route);
  switch (current.name) {
    case 'home':
      return <HomePage />;
    case 'room':
      return <RoomRoute key={current.key} slug={current.slug} />;
    case 'nowhere':
      return <ErrorPage code="not-found" />;
  }
}
