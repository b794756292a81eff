import { type SdkError, toSdkError } from '@meridian/client';
import { useEffect, useState } from 'react';
import { ErrorPage } from '../errors/error-page.tsx';
import { Lobby } from '../lobby/lobby.tsx';
import { useStore } from '../use-store.ts';
import { Call } from './call.tsx';
import { LeftPage } from './left-page.tsx';
import { Remedies } from './remedies.tsx';
import { Visit } from './visit.ts';

/** Everything that happens at `/r/<slug>`. */
export function RoomRoute({ slug }: { readonly slug: string }) {
  const [visit, setVisit] = useState<Visit>();
  const [failure, setFailure] = useState<SdkError>();
  useEffect(() => {
    let made: Visit;
    try {
      made = new Visit(slug);
    } catch (thrown) {
      setFailure(toSdkError(thrown));
      return;
    }
    setVisit(made);
    void made.open();
    return () => made.close();
  }, [slug]);
  // A page that the browser had put aside left its room when it went.
  useEffect(() => {
    const onShow = (event: PageTransitionEvent) => {
      if (event.persisted) window.location.reload();
    };
    window.addEventListener('pageshow', onShow);
    return () => window.removeEventListener('pageshow', onShow);
  }, []);
  if (failure !== undefined) return <ErrorPage code={failure.code} />;
  return visit === undefined ? null : <VisitPage visit={visit} />;
}

function VisitPage({ visit }: { readonly visit: Visit }) {
  const { stage, info } = useStore(visit);
  useEffect(() => {
    document.title = `${info?.title ?? visit.slug} · Meridian`;
  }, [info, visit]);
  switch (stage.name) {
    case 'lobby':
      return (
        <Lobby
          slug={visit.slug}
          room={info}
          invited={visit.invited}
          media={visit.media}
          preparation={visit.preparation}
          initialName={visit.initialName}
          joining={stage.joining}
          onName={(name) => visit.nameAhead(name)}
          onIntent={(name) => {
            if (name !== '') void visit.standBy(name);
          }}
          onJoin={(name) => void visit.join(name)}
        />
      );
    case 'in':
      return <Call room={stage.room} media={visit.media} preparation={visit.preparation} />;
    case 'over':
      return stage.end.error === null ? (
        <LeftPage title={info?.title ?? visit.slug} />
      ) : (
        <ErrorPage code={stage.end.error.code} actions={<Remedies code={stage.end.error.code} slug={visit.slug} />} />
      );
    case 'failed':
      return <ErrorPage code={stage.error.code} actions={<Remedies code={stage.error.code} slug={visit.slug} />} />;
  }
}
